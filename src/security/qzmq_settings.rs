//! How QZMQ is spoken, by the table `qzmq` of a security file. Without it an endpoint speaks as one does whose program sets no option.

use super::fault::Fault;
use super::keys::Kind;
use super::reader::{Entry, Reader};
#[cfg(feature = "qzmq")]
use crate::engine::mechanism::qzmq::keys as qzmq;
use std::path::Path;

/// What the file calls the suites, and their numbers.
pub const SUITES: [(&str, u8); 4] = [
    ("xwing-aes256gcm", 1),
    ("xwing-chacha20poly1305", 2),
    ("mlkem1024-aes256gcm", 3),
    ("mlkem1024-chacha20poly1305", 4),
];
/// The names in the table.
const NAMES: [&str; 6] =
    ["suites", "update_records", "update_bytes", "update_seconds", "padding_bytes", "ticket_seconds"];

/// `None`, and an empty list, leave a value as it is by default. The ranges are those of the options in `zmq_ferro.h`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QzmqSettings {
    /// Numbers of the suites that are offered and accepted, the favourite first.
    pub suites: Vec<u8>,
    /// Where the file lists them.
    suites_line: Option<usize>,
    /// Keys are replaced after this number of records, bytes and seconds.
    pub update_records: Option<u32>,
    pub update_bytes: Option<u64>,
    pub update_seconds: Option<u32>,
    /// Texts of records are padded to a multiple of this.
    pub padding_bytes: Option<u32>,
    /// The life of tickets; 0: there are none.
    pub ticket_seconds: Option<u32>,
}

/// Takes over what a table says. What it does not name stays as it is.
pub(super) fn read(reader: &mut Reader<'_>, entry: &Entry<'_>, settings: &mut QzmqSettings) {
    if cfg!(not(feature = "qzmq")) {
        reader.mistake(entry, "this library was built without QZMQ", "leave it out, or take another build");
    }
    for setting in reader.table(entry).unwrap_or_default() {
        match setting.name {
            "suites" => {
                settings.suites = reader.choices(&setting, &SUITES);
                settings.suites_line = Some(reader.line(&setting));
                let is_twice = |(at, suite)| settings.suites.iter().take(at).any(|other| other == suite);
                if settings.suites.iter().enumerate().any(is_twice) {
                    reader.mistake(&setting, "a suite is named twice", "name each once, the favourite first");
                }
            }
            "update_records" => settings.update_records = reader.number(&setting, 1..(1 << 24) + 1),
            "update_bytes" => settings.update_bytes = reader.large_number(&setting, 1..(1 << 50) + 1),
            "update_seconds" => settings.update_seconds = reader.number(&setting, 1..2_147_484),
            "padding_bytes" => settings.padding_bytes = reader.number(&setting, 0..16_385),
            "ticket_seconds" => settings.ticket_seconds = reader.number(&setting, 0..86_401),
            _ => reader.unknown(&setting, &NAMES),
        }
    }
}

impl QzmqSettings {
    /// The kind of key of a client that knows its server by a name and has no key of its own; `None` without QZMQ.
    pub(super) fn kind_of_names(&self) -> Option<Kind> {
        #[cfg(feature = "qzmq")]
        return Some(Kind::Qzmq(self.suites().first().kem()));
        #[cfg(not(feature = "qzmq"))]
        None
    }

    /// Refuses keys that are of use in none of the suites. `file` is the one that these settings come from.
    pub fn check(&self, file: &Path, keys: impl IntoIterator<Item = Kind>) -> Result<(), Fault> {
        let Some(lost) = keys.into_iter().find(|kind| !self.has_suite_for(*kind)) else { return Ok(()) };
        let what = format!("\"suites\" has none for a key of {}", lost.name());
        Err(Fault::mistake(file, self.suites_line, what, "name a suite of this key's KEM as well"))
    }

    #[cfg(not(feature = "qzmq"))]
    fn has_suite_for(&self, _: Kind) -> bool {
        true
    }

    #[cfg(feature = "qzmq")]
    fn has_suite_for(&self, kind: Kind) -> bool {
        match kind {
            Kind::Curve => true,
            Kind::Qzmq(kem) => self.suites().of(kem).next().is_some(),
        }
    }

    /// The file names no number that no suite has.
    #[cfg(feature = "qzmq")]
    fn suites(&self) -> qzmq::Suites {
        qzmq::Suites::numbered(&self.suites).unwrap_or_default()
    }

    /// What the handshakes of an endpoint are made with.
    #[cfg(feature = "qzmq")]
    pub(super) fn spoken(&self) -> qzmq::Settings {
        let (limits, settings) = (qzmq::Limits::default(), qzmq::Settings::default());
        let limits = qzmq::Limits {
            records: self.update_records.map_or(limits.records, u64::from),
            bytes: self.update_bytes.unwrap_or(limits.bytes),
            age_ms: self
                .update_seconds
                .map_or(limits.age_ms, |seconds| u64::from(seconds).saturating_mul(1000)),
            padding_bytes: self
                .padding_bytes
                .map_or(limits.padding_bytes, |bytes| usize::try_from(bytes).unwrap_or(0)),
            ..limits
        };
        let ticket_life_s = self.ticket_seconds.unwrap_or(settings.ticket_life_s);
        qzmq::Settings { suites: self.suites(), limits, ticket_life_s, ..settings }
    }

    /// For people, one line for each thing that is said.
    pub fn words(&self) -> Vec<String> {
        let name = |number: &u8| SUITES.iter().find(|(_, suite)| suite == number).map(|(name, _)| *name);
        let suites: Vec<&str> = self.suites.iter().filter_map(name).collect();
        let updates = [
            self.update_records.map(|records| format!("{records} records")),
            self.update_bytes.map(|bytes| format!("{bytes} bytes")),
            self.update_seconds.map(|seconds| format!("{seconds} seconds")),
        ];
        let updates: Vec<String> = updates.into_iter().flatten().collect();
        let of = |words: String, is_said: bool| is_said.then_some(words);
        [
            of(format!("suites of QZMQ: {}", suites.join(", ")), !suites.is_empty()),
            of(format!("new keys of QZMQ after {}", updates.join(", ")), !updates.is_empty()),
            self.padding_bytes.map(|bytes| match bytes {
                0 | 1 => "records of QZMQ are not padded".to_owned(),
                bytes => format!("records of QZMQ are padded to a multiple of {bytes} bytes"),
            }),
            self.ticket_seconds.map(|seconds| match seconds {
                0 => "no tickets of QZMQ".to_owned(),
                seconds => format!("tickets of QZMQ for {seconds} seconds"),
            }),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

#[cfg(all(test, feature = "qzmq"))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::crypto::KemSuite;
    use crate::security::Policy;

    #[test]
    fn what_the_table_says_is_spoken_and_told() {
        let text = "[default.qzmq]\nsuites = [\"mlkem1024-aes256gcm\", \"xwing-chacha20poly1305\"]\nupdate_records = 1000\n\
                    update_bytes = 1_125_899_906_842_624\nupdate_seconds = 60\npadding_bytes = 256\nticket_seconds = 0\n";
        let settings = Policy::parse(Path::new("f"), text).unwrap().default.qzmq;
        let spoken = settings.spoken();
        assert_eq!(spoken.suites, qzmq::Suites::numbered(&[3, 2]).unwrap());
        let limits = spoken.limits;
        assert_eq!((limits.records, limits.bytes, limits.age_ms), (1000, 1 << 50, 60_000));
        assert_eq!((limits.padding_bytes, spoken.ticket_life_s), (256, 0));
        assert_eq!(settings.kind_of_names(), Some(Kind::Qzmq(KemSuite::MlKem1024)));
        let words = [
            "suites of QZMQ: mlkem1024-aes256gcm, xwing-chacha20poly1305",
            "new keys of QZMQ after 1000 records, 1125899906842624 bytes, 60 seconds",
            "records of QZMQ are padded to a multiple of 256 bytes",
            "no tickets of QZMQ",
        ];
        assert_eq!(settings.words(), words);
        let unsaid = QzmqSettings::default();
        assert_eq!((unsaid.spoken(), unsaid.words()), (qzmq::Settings::default(), Vec::new()));
        assert_eq!(unsaid.kind_of_names(), Some(Kind::Qzmq(KemSuite::XWing)));
    }

    #[test]
    fn a_rule_replaces_what_it_names() {
        let text = "[default.qzmq]\npadding_bytes = 256\nticket_seconds = 60\n[[rule]]\nqzmq = { padding_bytes = 0 }\n";
        let policy = Policy::parse(Path::new("f"), text).unwrap();
        let [rule] = policy.rules.as_slice() else { panic!("one rule") };
        let said = |settings: &QzmqSettings| (settings.padding_bytes, settings.ticket_seconds);
        assert_eq!(said(&policy.default.qzmq), (Some(256), Some(60)));
        assert_eq!(said(&rule.settings.qzmq), (Some(0), Some(60)));
    }

    #[test]
    fn keys_without_a_suite_are_refused_with_the_line_of_the_suites() {
        let text = "[default]\n[default.qzmq]\nsuites = \"xwing-aes256gcm\"\n";
        let settings = Policy::parse(Path::new("f"), text).unwrap().default.qzmq;
        let [small, large] = [KemSuite::XWing, KemSuite::MlKem1024].map(Kind::Qzmq);
        assert_eq!(settings.check(Path::new("f"), [Kind::Curve, small]), Ok(()));
        let fault = settings.check(Path::new("f"), [small, large]).unwrap_err();
        assert_eq!(fault.line, Some(3));
        assert!(fault.what.contains("ML-KEM-1024"), "{fault}");
        assert_eq!(QzmqSettings::default().check(Path::new("f"), [small, large]), Ok(()));
    }

    #[test]
    fn every_mistake_has_its_line() {
        for (line, words) in [
            ("suites = []", "leave it out"),
            ("suites = [\"xwing\"]", "xwing-aes256gcm"),
            ("suites = [\"xwing-aes256gcm\", \"xwing-aes256gcm\"]", "once"),
            ("update_records = 0", "from 1 to 16777216"),
            ("update_records = 16777217", "from 1 to 16777216"),
            ("update_bytes = 1125899906842625", "from 1 to 1125899906842624"),
            ("update_seconds = 0", "from 1 to 2147483"),
            ("padding_bytes = 16385", "from 0 to 16384"),
            ("ticket_seconds = 86401", "from 0 to 86400"),
            ("ticket_second = 1", "did you mean \"ticket_seconds\"?"),
        ] {
            let faults = Policy::parse(Path::new("f"), &format!("[default.qzmq]\n\n{line}\n")).unwrap_err();
            let [fault] = faults.as_slice() else { panic!("{line}: {faults:?}") };
            assert_eq!(fault.line, Some(3), "{line}");
            assert!(fault.what_to_do.contains(words), "{line}: {fault}");
        }
        let faults = Policy::parse(Path::new("f"), "[default]\nqzmq = 1\n").unwrap_err();
        assert!(faults[0].what_to_do.contains("as a table"), "{}", faults[0]);
    }
}
