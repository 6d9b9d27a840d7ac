//! The boxes against crypto_box and the published vectors, each with every kernel that this processor has.
#![allow(clippy::unwrap_used)]

use super::TAG_BYTES;
use super::boxes::{NONCE_BYTES, SealKey, SharedKey};
use super::keys::{self, KEY_BYTES, PublicKey, SecretKey};
use super::random;
use super::salsa::{self, Aside, Kernel, Lanes, MAX_LANES};
use super::stream::{BoxStream, Sealed};
use crate::errno::Errno;
use ::crypto_box::aead::AeadInPlace;
use ::crypto_box::{PublicKey as TheirPublic, SalsaBox, SecretKey as TheirSecret};
use std::mem::MaybeUninit;

const PREFIX: &[u8; 16] = b"CurveZMQMESSAGEC";

/// NaCl's tests/secretbox.c, and box.c, whose keys make the same key.
const NACL_KEY: &str = "1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389";
const NACL_NONCE: &str = "69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37";
const NACL_TEXT: &str = "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a\
    1ac728d45e6c61296cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057\
    e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc76897040\
    e082f937763848645e0705";
const NACL_BOX: &str = "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4\
    476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738\
    b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de\
    56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5";
const NACL_ALICE_SECRET: &str = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
const NACL_BOB_PUBLIC: &str = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";

#[test]
fn the_secretbox_of_nacl() {
    let (key, nonce): ([u8; KEY_BYTES], [u8; NONCE_BYTES]) = (array(NACL_KEY), array(NACL_NONCE));
    let (prefix, counter) = split(&nonce);
    for kernel in kernels() {
        let mut buf = [vec![0; TAG_BYTES], bytes(NACL_TEXT)].concat();
        BoxStream::with_kernel(&key, &prefix, kernel).seal_in_place(counter, &mut buf).unwrap();
        assert_eq!(buf, bytes(NACL_BOX), "{kernel:?}");
        let mut opener = BoxStream::with_kernel(&key, &prefix, kernel);
        assert_eq!(opener.open_in_place(counter, &mut buf).unwrap(), bytes(NACL_TEXT), "{kernel:?}");
    }
}

#[test]
fn the_box_of_nacl() {
    let (public, secret) =
        (PublicKey(array(NACL_BOB_PUBLIC)), SecretKey::from_bytes(&array(NACL_ALICE_SECRET)));
    let key = SharedKey::new(&public, &secret).unwrap();
    assert_eq!(key.as_bytes(), &array::<KEY_BYTES>(NACL_KEY));
    let mut buf = [vec![0; TAG_BYTES], bytes(NACL_TEXT)].concat();
    key.seal_in_place(&array(NACL_NONCE), &mut buf).unwrap();
    assert_eq!(buf, bytes(NACL_BOX));
    assert_eq!(key.open_in_place(&array(NACL_NONCE), &mut buf).unwrap(), bytes(NACL_TEXT));
}

#[test]
fn sealed_boxes_equal_those_of_crypto_box() {
    let (ours, theirs) = pair();
    let mut lengths: Vec<usize> = (0..200).collect();
    lengths.extend((0..if cfg!(miri) { 3 } else { 100 }).map(|_| below(4097)));
    lengths.extend([16_384, 65_537]);
    if cfg!(miri) {
        lengths.retain(|len| len % 37 == 0 && *len < 4097);
    }
    for kernel in kernels() {
        let mut sealer = BoxStream::with_kernel(ours.as_bytes(), PREFIX, kernel);
        let mut opener = BoxStream::with_kernel(ours.as_bytes(), PREFIX, kernel);
        for (counter, len) in lengths.iter().enumerate() {
            check(&mut sealer, &mut opener, &theirs, counter as u64 + 1, *len, 0);
        }
    }
}

#[test]
fn boxes_work_at_every_alignment() {
    let (ours, theirs) = pair();
    for kernel in kernels() {
        let mut sealer = BoxStream::with_kernel(ours.as_bytes(), PREFIX, kernel);
        let mut opener = BoxStream::with_kernel(ours.as_bytes(), PREFIX, kernel);
        for offset in (0..=4096).step_by(if cfg!(miri) { 1365 } else { 1 }) {
            let longest = if offset % 64 == 0 { 4097 } else { 65 };
            check(&mut sealer, &mut opener, &theirs, offset as u64, below(longest), offset);
        }
    }
}

/// A counter that jumps back and forth finds no key stream of another counter.
#[test]
fn counters_in_any_order() {
    let (ours, theirs) = pair();
    for kernel in kernels() {
        let mut sealer = BoxStream::with_kernel(ours.as_bytes(), PREFIX, kernel);
        let mut opener = BoxStream::with_kernel(ours.as_bytes(), PREFIX, kernel);
        for near in [1, u64::from(u32::MAX) - 4, u64::MAX - 4] {
            for _ in 0..if cfg!(miri) { 5 } else { 100 } {
                let counter = near.wrapping_add(below(9) as u64);
                check(&mut sealer, &mut opener, &theirs, counter, below(300), 0);
            }
        }
    }
}

#[test]
fn a_batch_opens_as_single_messages_do() {
    let (key, _) = pair();
    for kernel in kernels() {
        let new = || BoxStream::with_kernel(key.as_bytes(), PREFIX, kernel);
        let (mut single, mut sealer, mut opener) = (new(), new(), new());
        let mut counter = 0;
        for round in 0..if cfg!(miri) { 3 } else { 15 } {
            let longest = [100, 700, 3000][round % 3];
            let texts: Vec<Vec<u8>> = (0..below(70)).map(|_| noise(1 + below(longest))).collect();
            let bufs: Vec<Vec<u8>> = texts.iter().map(|text| [&[0; TAG_BYTES], &text[..]].concat()).collect();
            let first = counter;
            // Every third counter is left out.
            let counter_of = |at: usize| first + at as u64 + at as u64 / 3;
            let mut expected = bufs.clone();
            for (at, buf) in expected.iter_mut().enumerate() {
                single.seal_in_place(counter_of(at), buf).unwrap();
            }
            let mut out = b"before".to_vec();
            for (at, text) in texts.iter().enumerate() {
                let (head, rest) = text.split_at(text.len().min(at % 3));
                sealer.seal_onto(counter_of(at), head, rest, &mut out);
                out.extend_from_slice(b"between");
            }
            sealer.finish(&mut out);
            let sealed: Vec<u8> = expected.iter().flat_map(|buf| [buf, &b"between"[..]].concat()).collect();
            assert_eq!(out[6..], sealed);
            let mut batch = batch_of(&expected, counter_of);
            let mut memory = Vec::new();
            let (opened, good) = opener.open_batch(&expected.concat(), &mut batch, room(&mut memory));
            assert_eq!(good, texts.len());
            let firsts: Vec<u8> = batch.iter().map(|sealed| sealed.first).collect();
            assert_eq!(firsts, texts.iter().map(|text| text[0]).collect::<Vec<_>>());
            let rests =
                texts.iter().enumerate().flat_map(|(at, text)| [&[0; 9][..at % 9], &text[1..]].concat());
            assert_eq!(opened, rests.collect::<Vec<u8>>());
            counter = counter_of(texts.len());
        }
    }
}

#[test]
fn a_batch_ends_at_a_forgery() {
    let (key, _) = pair();
    for kernel in kernels() {
        for len in [1, 50, 700] {
            for bad in [0, 3, 49] {
                let mut bufs: Vec<Vec<u8>> = (0..50).map(|_| noise(TAG_BYTES + len)).collect();
                let mut sealer = BoxStream::with_kernel(key.as_bytes(), PREFIX, kernel);
                let texts = bufs.clone();
                for (at, buf) in bufs.iter_mut().enumerate() {
                    sealer.seal_in_place(at as u64, buf).unwrap();
                }
                bufs[bad][below(TAG_BYTES + len)] ^= 1 << below(8);
                let mut opener = BoxStream::with_kernel(key.as_bytes(), PREFIX, kernel);
                let mut batch = batch_of(&bufs, |at| at as u64);
                let mut memory = Vec::new();
                let (opened, good) = opener.open_batch(&bufs.concat(), &mut batch, room(&mut memory));
                assert_eq!(good, bad);
                let begin: usize = batch[..bad].iter().map(Sealed::room).sum();
                assert!(opened[begin..].iter().all(|byte| *byte == 0), "nothing of it can be seen");
                for (at, sealed) in batch.iter().enumerate() {
                    assert_eq!(sealed.first, if at < bad { texts[at][TAG_BYTES] } else { 0 });
                }
            }
        }
    }
}

#[test]
fn every_changed_bit_is_detected() {
    let (key, _) = pair();
    for kernel in kernels() {
        for len in [0, 1, 16, 33, 100] {
            let mut sealed = noise(TAG_BYTES + len);
            BoxStream::with_kernel(key.as_bytes(), PREFIX, kernel).seal_in_place(7, &mut sealed).unwrap();
            let mut opener = BoxStream::with_kernel(key.as_bytes(), PREFIX, kernel);
            for bit in (0..sealed.len() * 8).step_by(if cfg!(miri) { 97 } else { 1 }) {
                let mut forged = sealed.clone();
                forged[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(opener.open_in_place(7, &mut forged).unwrap_err(), Errno::PROTO);
                assert_eq!(forged[TAG_BYTES..], [0; 100][..len], "nothing of it can be seen");
            }
            assert_eq!(opener.open_in_place(8, &mut sealed.clone()).unwrap_err(), Errno::PROTO);
            let mut short = sealed[..sealed.len() - 1].to_vec();
            assert_eq!(opener.open_in_place(7, &mut short).unwrap_err(), Errno::PROTO);
            assert!(opener.open_in_place(7, &mut sealed).is_ok());
        }
        let long = if cfg!(miri) { 2_000 } else { 5_000 };
        let mut sealed = noise(long);
        BoxStream::with_kernel(key.as_bytes(), PREFIX, kernel).seal_in_place(7, &mut sealed).unwrap();
        for at in [TAG_BYTES, long / 2, long - 1] {
            let mut forged = sealed.clone();
            forged[at] ^= 0x80;
            let mut opener = BoxStream::with_kernel(key.as_bytes(), PREFIX, kernel);
            assert_eq!(opener.open_in_place(7, &mut forged).unwrap_err(), Errno::PROTO);
            assert_eq!(forged[TAG_BYTES..], vec![0; long - TAG_BYTES]);
        }
    }
}

#[test]
fn buffers_without_room_for_a_tag_are_refused() {
    let (key, _) = pair();
    let mut stream = key.stream(PREFIX);
    assert_eq!(stream.seal_in_place(0, &mut [0; TAG_BYTES - 1]).unwrap_err(), Errno::INVAL);
    assert_eq!(stream.open_in_place(0, &mut [0; TAG_BYTES - 1]).unwrap_err(), Errno::PROTO);
    assert_eq!(stream.open_in_place(0, &mut []).unwrap_err(), Errno::PROTO);
}

/// All lanes of all kernels against blocks computed one by one, with nonces and block numbers of all widths.
#[test]
fn every_lane_of_every_kernel_computes_its_block() {
    let key = salsa::hsalsa20(&array(NACL_KEY), PREFIX);
    let label = |lane: usize| {
        let wide = |seed: u64| (lane as u64 + 1).wrapping_mul(seed);
        (wide(0x9e37_79b9_7f4a_7c15), wide(0xc2b2_ae3d_27d4_eb4f))
    };
    for kernel in kernels() {
        let mut lanes = Lanes::new();
        (0..MAX_LANES).for_each(|lane| lanes.set(lane, label(lane).0, label(lane).1));
        let mut out = [[0; salsa::BLOCK_BYTES]; MAX_LANES];
        let calls = kernel.fill(&key, &lanes, &mut out, Calls(0));
        assert_eq!(calls.0, 20);
        for (lane, block) in out.iter().enumerate() {
            let mut expected = [[0; salsa::BLOCK_BYTES]; MAX_LANES];
            if lane < kernel.lanes() {
                let mut alone = Lanes::new();
                alone.set(0, label(lane).0, label(lane).1);
                Kernel::portable().fill(&key, &alone, &mut expected, ());
            }
            assert_eq!(*block, expected[0], "lane {lane}, {kernel:?}");
        }
    }
}

#[test]
fn seal_key_boxes_open_only_with_their_key() {
    let (key, other) = (SealKey::generate().unwrap(), SealKey::generate().unwrap());
    let (nonce, text) = ([9; NONCE_BYTES], noise(64));
    let mut buf = [&[0; TAG_BYTES], &text[..]].concat();
    key.seal_in_place(&nonce, &mut buf).unwrap();
    let mut copy = buf.clone();
    assert_eq!(key.open_in_place(&nonce, &mut copy).unwrap(), text);
    assert_eq!(other.open_in_place(&nonce, &mut buf.clone()).unwrap_err(), Errno::PROTO);
    for at in 0..NONCE_BYTES {
        let mut changed = nonce;
        changed[at] ^= 1;
        assert_eq!(key.open_in_place(&changed, &mut buf.clone()).unwrap_err(), Errno::PROTO);
    }
    assert_eq!(key.seal_in_place(&nonce, &mut [0; TAG_BYTES - 1]), Err(Errno::INVAL));
    assert_eq!(key.open_in_place(&nonce, &mut [0; TAG_BYTES - 1]).unwrap_err(), Errno::PROTO);
}

/// A handshake has boxes of both kinds; to the peer they are the same.
#[test]
fn single_boxes_are_those_of_crypto_box() {
    let (public, _) = keys::keypair().unwrap();
    let (_, secret) = keys::keypair().unwrap();
    let ours = SharedKey::new(&public, &secret).unwrap();
    let theirs = SalsaBox::new(&TheirPublic::from(public.0), &TheirSecret::from(*secret.as_bytes()));
    for len in [0, 1, 64, 96, 300] {
        let (nonce, text) = ([len as u8; NONCE_BYTES], noise(len));
        let mut sealed = [&[0; TAG_BYTES], &text[..]].concat();
        ours.seal_in_place(&nonce, &mut sealed).unwrap();
        let mut expected = text.clone();
        let tag = theirs.encrypt_in_place_detached(&nonce.into(), b"", &mut expected).unwrap();
        assert_eq!(sealed, [&tag[..], &expected].concat());
        assert_eq!(ours.open_in_place(&nonce, &mut sealed.clone()).unwrap(), text);
        for at in 0..sealed.len() {
            let mut forged = sealed.clone();
            forged[at] ^= 1;
            assert_eq!(ours.open_in_place(&nonce, &mut forged).unwrap_err(), Errno::PROTO);
            assert_eq!(forged, vec![0; TAG_BYTES + len], "nothing of it can be seen");
        }
    }
}

/// Points of small order: the shared key would be the same with every secret key.
#[test]
fn public_keys_of_small_order_are_refused() {
    let secret = SecretKey::generate().unwrap();
    let one: [u8; KEY_BYTES] = std::array::from_fn(|at| u8::from(at == 0));
    for point in [[0; KEY_BYTES], one] {
        assert_eq!(SharedKey::new(&PublicKey(point), &secret).err(), Some(Errno::PROTO));
    }
}

struct Calls(usize);

impl Aside for Calls {
    fn go_on(&mut self, len: usize) {
        assert!(len > 0 && len.is_multiple_of(16));
        self.0 += 1;
    }
}

/// Seals, compares with crypto_box, opens: a text of `len` bytes that starts `offset` bytes into a buffer.
fn check(
    sealer: &mut BoxStream,
    opener: &mut BoxStream,
    theirs: &SalsaBox,
    counter: u64,
    len: usize,
    offset: usize,
) {
    let text = noise(len);
    let mut expected = text.clone();
    let mut nonce = [0; NONCE_BYTES];
    nonce[..16].copy_from_slice(PREFIX);
    nonce[16..].copy_from_slice(&counter.to_be_bytes());
    let tag = theirs.encrypt_in_place_detached(&nonce.into(), b"", &mut expected).unwrap();

    let mut room = vec![0x5a; offset + TAG_BYTES + len + 64];
    let buf = &mut room[offset..offset + TAG_BYTES + len];
    buf[TAG_BYTES..].copy_from_slice(&text);
    sealer.seal_in_place(counter, buf).unwrap();
    assert_eq!(
        (&buf[..TAG_BYTES], &buf[TAG_BYTES..]),
        (&tag[..], &expected[..]),
        "length {len}, counter {counter}"
    );
    assert_eq!(opener.open_in_place(counter, buf).unwrap(), text, "length {len}, counter {counter}");
    assert!(room[..offset].iter().chain(&room[offset + TAG_BYTES + len..]).all(|byte| *byte == 0x5a));
}

fn kernels() -> Vec<Kernel> {
    Kernel::all().collect()
}

/// The same key, for us and for crypto_box.
fn pair() -> (SharedKey, SalsaBox) {
    let (public, _) = keys::keypair().unwrap();
    let (_, secret) = keys::keypair().unwrap();
    let theirs = SalsaBox::new(&TheirPublic::from(public.0), &TheirSecret::from(*secret.as_bytes()));
    (SharedKey::new(&public, &secret).unwrap(), theirs)
}

fn batch_of(bufs: &[Vec<u8>], counter_of: impl Fn(usize) -> u64) -> Vec<Sealed> {
    let mut end = 0;
    let sealed = |(at, buf): (usize, &Vec<u8>)| {
        end += buf.len();
        Sealed { counter: counter_of(at), at: end - buf.len(), len: buf.len(), gap: at % 9, first: 0 }
    };
    bufs.iter().enumerate().map(sealed).collect()
}

fn room(memory: &mut Vec<u8>) -> &mut [MaybeUninit<u8>] {
    memory.reserve(300_000);
    memory.spare_capacity_mut()
}

fn split(nonce: &[u8; NONCE_BYTES]) -> ([u8; 16], u64) {
    (nonce[..16].try_into().unwrap(), u64::from_be_bytes(nonce[16..].try_into().unwrap()))
}

fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    random::fill(&mut bytes).unwrap();
    bytes
}

fn below(limit: usize) -> usize {
    let mut bytes = [0; 8];
    random::fill(&mut bytes).unwrap();
    (u64::from_le_bytes(bytes) % limit as u64) as usize
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().map(|digit| (digit as char).to_digit(16).unwrap() as u8).collect();
    digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect()
}

fn array<const N: usize>(hex: &str) -> [u8; N] {
    bytes(hex).try_into().unwrap()
}
