//! The keys of one endpoint, out of the files that it names. Pure.
//!
//! | keys of the endpoint | outcome |
//! |---|---|
//! | all of CURVE | CURVE |
//! | all of QZMQ; a client's of the same KEM as the server's | QZMQ |
//! | the same, and in `migration` of CURVE | QZMQ, and CURVE with peers that name that |
//! | others | a fault, which `ferrozmq check` tells as well |

use super::certificate::Certificate;
use super::fault::Fault;
use super::file::{Settings, Side};
use super::keys::{Kind, Public, Secret};
#[cfg(feature = "qzmq")]
use super::reader::Place;
#[cfg(feature = "qzmq")]
use crate::crypto::{Certificate as Signed, Claims, Roles};
use std::path::Path;

/// The line that names keys, and the file that it stands in.
#[derive(Clone, Copy)]
pub struct Named<'f> {
    pub file: &'f Path,
    pub line: Option<usize>,
}

/// The secret keys of a server, its own first. Errors: keys of CURVE beside those of QZMQ.
pub fn of_server<'c>(
    named: Named<'_>,
    from: impl IntoIterator<Item = &'c Certificate>,
) -> Result<Vec<&'c Secret>, Fault> {
    let secrets: Vec<&Secret> =
        from.into_iter().filter_map(|certificate| certificate.secret.as_ref()).collect();
    let is_curve = |secret: &&Secret| secret.curve().is_some();
    if secrets.iter().any(is_curve) && !secrets.iter().all(is_curve) {
        let what = "\"server_key\" names keys of CURVE and of QZMQ";
        let what_to_do =
            "an endpoint speaks one of the two: name keys of one kind, or write a rule for each port";
        return Err(Fault::mistake(named.file, named.line, what, what_to_do));
    }
    Ok(secrets)
}

/// Refuses keys that are none for a migration: the endpoint's have to be of QZMQ, and those beside them of CURVE.
pub fn check_migration(named: Named<'_>, main: Kind, beside: Kind) -> Result<(), Fault> {
    let (what, what_to_do) = if main == Kind::Curve {
        ("\"migration\" stands beside keys of CURVE", "name keys of QZMQ outside of it, or take it out")
    } else if beside == Kind::Curve {
        return Ok(());
    } else {
        ("\"migration\" names a key of QZMQ", "name the keys of CURVE there, and those of QZMQ outside")
    };
    Err(Fault::mistake(named.file, named.line, what, what_to_do))
}

/// Refuses a client's key that does not fit the server's: one has to be of the same mechanism and KEM.
pub fn check_client(named: Named<'_>, server: &Public, own: &Public) -> Result<(), Fault> {
    if server.kind() == own.kind() {
        return Ok(());
    }
    let what = format!(
        "\"client_key\" is a key of {}, and \"server_public\" one of {}",
        own.kind().name(),
        server.kind().name()
    );
    let what_to_do = format!("name a client's key of {}: see `ferrozmq keygen --help`", server.kind().name());
    Err(Fault::mistake(named.file, named.line, what, what_to_do))
}

/// Refuses what an endpoint with keys of CURVE alone would not heed, though its settings turn peers away by it: a list of what is
/// revoked, and a server's authorities without a list of keys that are let in.
pub fn check_idle(named: Named<'_>, settings: &Settings, own: Kind, side: Side) -> Result<(), Fault> {
    if own != Kind::Curve {
        return Ok(());
    }
    let lets_nothing_in = settings.allow.is_none() && side == Side::Server;
    let (what, what_to_do) = if settings.revoked.is_some() {
        (
            "\"revoked\" is for keys of QZMQ, and this endpoint has those of CURVE",
            "give it keys of QZMQ, or take it out: where it stands in [default], move it into the rules for QZMQ",
        )
    } else if lets_nothing_in && !settings.authorities.is_empty() {
        (
            "\"authorities\" is for keys of QZMQ, and this endpoint has those of CURVE",
            "give it keys of QZMQ, or say whose keys are let in: allow = { folder = \"allowed\" }",
        )
    } else {
        return Ok(());
    };
    Err(Fault::mistake(named.file, named.line, what, what_to_do))
}

/// Refuses a certificate that is of none of the keys, or for the other role.
#[cfg(feature = "qzmq")]
pub fn check_certificate<'k>(
    certificate: &Signed,
    place: &Place,
    keys: impl IntoIterator<Item = &'k Public>,
    role: Roles,
) -> Result<(), Fault> {
    let Claims { public, roles, .. } = &certificate.claims;
    let is_ours = |key: &Public| matches!(key, Public::Qzmq(key) if **key == *public);
    if !keys.into_iter().any(is_ours) {
        let what = "it is not of the key that this side has";
        return Err(Fault::mistake(&place.path, None, what, "have the authority sign this side's key"));
    }
    if !roles.include(role) {
        let role = if role == Roles::Server { "server" } else { "client" };
        let what = format!("it is not for a {role}");
        let what_to_do = format!("sign the key with `ferrozmq cert sign --role {role}`");
        return Err(Fault::mistake(&place.path, None, what, what_to_do));
    }
    Ok(())
}

#[cfg(all(test, feature = "qzmq"))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::file::Policy;
    use super::*;
    use crate::crypto::KemSuite;
    use crate::errno::Errno;

    fn named() -> Named<'static> {
        Named { file: Path::new("security.toml"), line: Some(3) }
    }

    #[test]
    fn kinds_are_not_mixed() {
        let curve = Certificate::generate(None).unwrap();
        let qzmq = KemSuite::ALL.map(|suite| Certificate::generate_qzmq(None, suite).unwrap());
        let [small, large] = &qzmq;
        let served = |keys: &[&Certificate]| of_server(named(), keys.iter().copied()).map(|keys| keys.len());
        assert_eq!((served(&[&curve]), served(&[small, large])), (Ok(1), Ok(2)));
        for mixed in [[&curve, small], [large, &curve]] {
            let fault = served(&mixed).unwrap_err();
            assert_eq!((fault.errno, fault.line), (Errno::INVAL, Some(3)));
        }
        let kinds = [&curve, small, large].map(|key| key.public.kind());
        for main in kinds {
            for beside in kinds {
                let fits = main != Kind::Curve && beside == Kind::Curve;
                assert_eq!(check_migration(named(), main, beside).is_ok(), fits);
            }
        }
        for (at, server) in [&curve, small, large].into_iter().enumerate() {
            for (other, own) in [&curve, small, large].into_iter().enumerate() {
                assert_eq!(check_client(named(), &server.public, &own.public).is_ok(), at == other);
            }
        }
    }

    /// A rule with keys of CURVE has the list from the default.
    #[test]
    fn a_rule_of_curve_beside_a_default_with_a_list_is_told_where_the_list_belongs() {
        let text = "[default]\nrevoked = \"r\"\n[[rule]]\nendpoint = \"tcp://*\"\nserver_key = \"s\"\nallow = \"any\"\n";
        let policy = Policy::parse(Path::new("f"), text).unwrap();
        let settings = &policy.rules[0].settings;
        let fault = check_idle(named(), settings, Kind::Curve, Side::Server).unwrap_err();
        assert!(fault.what_to_do.ends_with("move it into the rules for QZMQ"), "{fault}");
    }
}
