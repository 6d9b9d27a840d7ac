//! What the log tells of: a level for each subsystem. Pure.
//!
//! | text | meaning |
//! |---|---|
//! | `warn` | warnings and errors of all subsystems |
//! | `warn,reconnect=debug` | as above, and all that there is about reconnects; the order does not matter |
//! | `info,handshake=off` | all subsystems but one |
//! | `1`, `0` | `warn`, `off` |

/// How much a line matters. A level lets those above it in this list through as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A fault of the library, or something that was asked for and cannot be done.
    Error = 1,
    /// A limit that takes effect, a peer that is turned away, a shortage.
    Warn = 2,
    /// The life of endpoints and connections.
    Info = 3,
    /// Each attempt and each step.
    Debug = 4,
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subsystem {
    Security,
    Connection,
    Reconnect,
    Handshake,
    Limits,
    Memory,
    Stats,
    Panic,
}

/// The level of each subsystem, in four bits each; 0 is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter(u32);

const LEVEL_BITS: u32 = 4;
const LEVEL_MASK: u32 = (1 << LEVEL_BITS) - 1;
/// Pieces that are not understood and shown.
const MAX_SHOWN: usize = 3;
/// Characters of each.
const MAX_SHOWN_CHARS: usize = 60;

impl Level {
    pub const ALL: [Level; 4] = [Level::Error, Level::Warn, Level::Info, Level::Debug];

    pub fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }

    /// Lines of one kind that are written in a second. A peer can cause warnings at any rate, and one of them says it.
    pub fn lines_per_second(self) -> u64 {
        match self {
            Level::Error | Level::Warn => 1,
            Level::Info | Level::Debug => 20,
        }
    }
}

impl Subsystem {
    pub const ALL: [Subsystem; 8] = [
        Subsystem::Security,
        Subsystem::Connection,
        Subsystem::Reconnect,
        Subsystem::Handshake,
        Subsystem::Limits,
        Subsystem::Memory,
        Subsystem::Stats,
        Subsystem::Panic,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Subsystem::Security => "security",
            Subsystem::Connection => "connection",
            Subsystem::Reconnect => "reconnect",
            Subsystem::Handshake => "handshake",
            Subsystem::Limits => "limits",
            Subsystem::Memory => "memory",
            Subsystem::Stats => "stats",
            Subsystem::Panic => "panic",
        }
    }

    fn shift(self) -> u32 {
        LEVEL_BITS * self as u32
    }
}

impl Filter {
    pub const OFF: Filter = Filter(0);

    /// The filter that a text stands for, and a complaint about the pieces that are not understood, which count for nothing.
    pub fn parse(text: &str) -> (Filter, Option<String>) {
        let (mut all, mut single, mut strange) = (None, Vec::new(), Vec::new());
        for piece in text.split(',').map(str::trim).filter(|piece| !piece.is_empty()) {
            let level_of = |name: &str| level(name.trim());
            match piece.split_once('=') {
                None => match level(piece) {
                    Some(level) => all = Some(level),
                    None => strange.push(piece),
                },
                Some((name, value)) => match (subsystem(name.trim()), level_of(value)) {
                    (Some(subsystem), Some(level)) => single.push((subsystem, level)),
                    _ => strange.push(piece),
                },
            }
        }
        let mut filter = Filter::OFF;
        for subsystem in Subsystem::ALL {
            filter.set(subsystem, all.flatten());
        }
        for (subsystem, level) in single {
            filter.set(subsystem, level);
        }
        (filter, (!strange.is_empty()).then(|| complaint(&strange)))
    }

    pub fn of_bits(bits: u32) -> Filter {
        Filter(bits)
    }

    pub fn bits(self) -> u32 {
        self.0
    }

    /// Whether lines of the subsystem and the level are written.
    pub fn lets(self, subsystem: Subsystem, level: Level) -> bool {
        (self.0 >> subsystem.shift()) & LEVEL_MASK >= level as u32
    }

    /// `None`: no line of the subsystem is written.
    fn set(&mut self, subsystem: Subsystem, level: Option<Level>) {
        let value = level.map_or(0, |level| level as u32);
        self.0 = self.0 & !(LEVEL_MASK << subsystem.shift()) | value << subsystem.shift();
    }
}

/// The level that a word stands for, `Some(None)` for that which lets nothing through; `None` for any other word.
fn level(word: &str) -> Option<Option<Level>> {
    match word.to_ascii_lowercase().as_str() {
        "1" => Some(Some(Level::Warn)),
        "0" | "off" => Some(None),
        word => Level::ALL.into_iter().find(|level| level.name() == word).map(Some),
    }
}

fn subsystem(word: &str) -> Option<Subsystem> {
    Subsystem::ALL.into_iter().find(|subsystem| subsystem.name().eq_ignore_ascii_case(word))
}

fn complaint(strange: &[&str]) -> String {
    let shown = strange.iter().take(MAX_SHOWN).map(|piece| {
        let piece: String = piece.chars().take(MAX_SHOWN_CHARS).collect();
        format!("\"{piece}\"")
    });
    let shown = shown.collect::<Vec<_>>().join(", ");
    let more = match strange.len().saturating_sub(MAX_SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let levels = Level::ALL.map(Level::name).join(", ");
    let subsystems = Subsystem::ALL.map(Subsystem::name).join(", ");
    format!(
        "{shown}{more} not understood: write a level ({levels}, off) or SUBSYSTEM=LEVEL, with commas between ({subsystems})"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The levels by subsystem, as letters.
    fn levels(text: &str) -> (String, bool) {
        let (filter, complaint) = Filter::parse(text);
        let letter = |subsystem: Subsystem| {
            let most = Level::ALL.into_iter().rev().find(|level| filter.lets(subsystem, *level));
            most.map_or('-', |level| level.name().chars().next().unwrap())
        };
        (Subsystem::ALL.map(letter).iter().collect(), complaint.is_some())
    }

    #[test]
    fn a_text_has_levels_for_all_and_for_single_subsystems() {
        for (text, expected) in [
            ("", "--------"),
            ("1", "wwwwwwww"),
            ("0", "--------"),
            ("off", "--------"),
            ("error", "eeeeeeee"),
            ("debug", "dddddddd"),
            ("warn,security=info,reconnect=debug", "iwdwwwww"),
            ("reconnect=debug,security=info,warn", "iwdwwwww"),
            (" WARN , Handshake = Debug ,", "wwwdwwww"),
            ("info,panic=off", "iiiiiii-"),
            ("connection=info", "-i------"),
            ("warn,info", "iiiiiiii"),
            ("memory=debug,memory=error", "-----e--"),
        ] {
            assert_eq!(levels(text), (expected.to_owned(), false), "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_counts_for_nothing_and_is_told_once() {
        for (text, expected) in [
            ("yes", "--------"),
            ("warn,secuirty=info", "wwwwwwww"),
            ("security=loud,info", "iiiiiiii"),
            ("security", "--------"),
            ("=warn,error", "eeeeeeee"),
            ("security=", "--------"),
            ("warn security=info", "--------"),
            ("connection=info=debug", "--------"),
            ("2", "--------"),
        ] {
            assert_eq!(levels(text), (expected.to_owned(), true), "{text}");
        }
        let complaint = Filter::parse("a,b=c,warn,d,e,f").1.unwrap();
        assert!(
            complaint.starts_with("\"a\", \"b=c\", \"d\" and 2 more not understood: write a level (error, ")
        );
        assert!(Filter::parse(&"x".repeat(100_000)).1.unwrap().len() < 400);
    }

    #[test]
    fn a_level_lets_through_what_matters_more() {
        let (filter, _) = Filter::parse("info");
        let lets = Level::ALL.map(|level| filter.lets(Subsystem::Panic, level));
        assert_eq!(lets, [true, true, true, false]);
        assert_eq!(Filter::of_bits(filter.bits()), filter);
        assert!(Subsystem::ALL.iter().all(|subsystem| subsystem.shift() + LEVEL_BITS <= u32::BITS));
    }
}
