//! What a file of counters says of itself: its header, its sections and its name table. Pure: bytes in, a description out.
//!
//! Everything in the file is taken for the work of a stranger. A place, length or number that does not fit is a [`Fault`].
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `FZMQSTAT` |
//! | 8 | 4 | version |
//! | 12 | 4 | bytes of the header, with its table of sections |
//! | 16 | 8 | process id |
//! | 24 | 8 | when the process started: field 22 of `/proc/PID/stat` |
//! | 32 | 8 | when the file was made, in nanoseconds since 1970 |
//! | 40 | 8 | the last sign of life of an I/O thread, likewise |
//! | 48 | 8 | generation: odd while records are made or ended |
//! | 56 | 4, 4 | place and bytes of the name table |
//! | 64 | 16 each | sections: kind, place, bytes from record to record, number of records |
//! | 4032 | 8 | the namespace of the process id: the inode of `/proc/PID/ns/pid`; 0: unknown |
//! | 4040 | 16 | the boot: the bytes of `/proc/sys/kernel/random/boot_id`; zeros: unknown |
//!
//! Each record begins with its number, or 0 where the slot is free, and the number of the record that it belongs to. The library's
//! `src/counters/layout.rs` has the last word on all this. Everything else is in the name table.

use std::fmt;
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"FZMQSTAT";
const VERSION: u32 = 1;
const GENERATION_OFFSET: usize = 48;
const SECTIONS_OFFSET: usize = 64;
const SECTION_BYTES: usize = 16;
const PID_NAMESPACE_OFFSET: usize = 4032;
const BOOT_OFFSET: usize = 4040;

/// More than any file of the library has. They bound what one file can make the tool read and keep.
const MAX_HEADER_BYTES: usize = 4096;
const MAX_NAMES_BYTES: usize = 1 << 20;
const MAX_RECORD_BYTES: usize = 1 << 16;
pub const MAX_FILE_BYTES: u64 = 256 << 20;
const MAX_FIELDS: usize = 4096;

/// What is wrong with a file of counters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    Truncated,
    TooLarge,
    NoMagic,
    Version(u32),
    Header,
    Section(u32),
    Names { line: usize },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Truncated => write!(f, "it ends too early"),
            Fault::TooLarge => write!(f, "it is larger than {} MiB", MAX_FILE_BYTES >> 20),
            Fault::NoMagic => write!(f, "it is no file of counters, or one that is just being made"),
            Fault::Version(version) => {
                write!(
                    f,
                    "it has version {version}, and this tool reads version {VERSION}: take a newer tool"
                )
            }
            Fault::Header => write!(f, "its header contradicts itself"),
            Fault::Section(number) => write!(f, "its section {number} lies outside of the file"),
            Fault::Names { line } => write!(f, "line {line} of its name table is not understood"),
        }
    }
}

/// What a record is about.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    Process,
    Context,
    IoThread,
    Socket,
    Connection,
    Lane,
}

const KINDS: [(u32, &str, Kind); 6] = [
    (1, "process", Kind::Process),
    (2, "context", Kind::Context),
    (3, "io_thread", Kind::IoThread),
    (4, "socket", Kind::Socket),
    (5, "connection", Kind::Connection),
    (6, "lane", Kind::Lane),
];

impl Kind {
    fn of_number(number: u32) -> Option<Kind> {
        KINDS.iter().find(|row| row.0 == number).map(|row| row.2)
    }

    fn of_name(name: &str) -> Option<Kind> {
        KINDS.iter().find(|row| row.1 == name).map(|row| row.2)
    }
}

/// How the bytes of a field are meant.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    Counter,
    Gauge,
    /// Counts what was at most so large; the unit is the field's. Infinite in the last bucket.
    Bucket(f64),
    /// UTF-8 in at most this number of bytes; zeroes follow it.
    Text(usize),
}

/// A line of the name table.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub name: String,
    pub unit: String,
    pub form: Form,
    pub help: String,
    /// From the start of a record.
    offset: usize,
}

/// Fixed facts of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Header {
    pub pid: u64,
    pub started: u64,
    pub opened_ns: u64,
    pub heartbeat_ns: u64,
    pub pid_namespace: u64,
    pub boot: [u8; 16],
    names: Span,
    sections: Vec<Section>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Span {
    pub offset: u64,
    pub bytes: usize,
}

#[derive(Clone, Debug, PartialEq)]
struct Section {
    kind: Option<Kind>,
    span: Span,
    stride: usize,
}

/// A record that is in use.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub kind: Kind,
    /// Different for each record that the process has ever made.
    pub serial: u64,
    /// The record that this one belongs to.
    pub parent: u64,
    fields: Arc<[Field]>,
    values: Vec<Value>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Number(u64),
    Text(String),
}

impl Record {
    /// Fields with their values, in the order of the name table.
    pub fn fields(&self) -> impl Iterator<Item = (&Field, &Value)> {
        self.fields.iter().zip(&self.values)
    }

    /// Those that are numbers.
    pub fn numbers(&self) -> impl Iterator<Item = (&Field, u64)> {
        self.fields().filter_map(|(field, value)| match value {
            Value::Number(number) => Some((field, *number)),
            Value::Text(_) => None,
        })
    }

    /// Nothing where the library has no such number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.numbers().find_map(|(field, number)| (field.name == name).then_some(number))
    }

    /// Adds to a number, if the library has it.
    pub fn add(&mut self, name: &str, count: u64) {
        for (field, value) in self.fields.iter().zip(&mut self.values) {
            if let Value::Number(number) = value
                && field.name == name
            {
                *number = number.wrapping_add(count);
            }
        }
    }

    /// Empty where the library has no such text.
    pub fn text(&self, name: &str) -> &str {
        let found = self.fields().find_map(|(field, value)| match value {
            Value::Text(text) if field.name == name => Some(text.as_str()),
            _ => None,
        });
        found.unwrap_or_default()
    }
}

/// Reads ranges of a file: fills the buffer, or there is a fault.
pub trait Source {
    fn fill(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault>;
}

/// The generation, which is odd while records are made or ended.
pub fn generation(source: &impl Source) -> Result<u64, Fault> {
    let mut bytes = [0; 8];
    source.fill(GENERATION_OFFSET as u64, &mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

/// The header. `length` is that of the file in bytes.
pub fn header(source: &impl Source, length: u64) -> Result<Header, Fault> {
    if length > MAX_FILE_BYTES {
        return Err(Fault::TooLarge);
    }
    let mut fixed = vec![0; SECTIONS_OFFSET];
    source.fill(0, &mut fixed)?;
    if fixed.get(..MAGIC.len()) != Some(MAGIC) {
        return Err(Fault::NoMagic);
    }
    let version = word(&fixed, 8)?;
    if version != VERSION {
        return Err(Fault::Version(version));
    }
    let bytes = word(&fixed, 12)? as usize;
    if !(SECTIONS_OFFSET..=MAX_HEADER_BYTES).contains(&bytes) {
        return Err(Fault::Header);
    }
    let mut table = vec![0; bytes - SECTIONS_OFFSET];
    source.fill(SECTIONS_OFFSET as u64, &mut table)?;
    let names = Span { offset: word(&fixed, 56)?.into(), bytes: word(&fixed, 60)? as usize };
    if names.bytes > MAX_NAMES_BYTES || !names.is_within(length) {
        return Err(Fault::Header);
    }
    // A header that ends before it does not say.
    let at = |offset: usize| offset.checked_sub(SECTIONS_OFFSET).and_then(|offset| table.get(offset..));
    let boot = at(BOOT_OFFSET).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
    let pid_namespace =
        at(PID_NAMESPACE_OFFSET).and_then(|rest| double_word(rest, 0).ok()).unwrap_or_default();
    Ok(Header {
        pid_namespace,
        boot,
        pid: double_word(&fixed, 16)?,
        started: double_word(&fixed, 24)?,
        opened_ns: double_word(&fixed, 32)?,
        heartbeat_ns: double_word(&fixed, 40)?,
        names,
        sections: sections(&table, length)?,
    })
}

/// The records that are in use, section by section.
pub fn records(source: &impl Source, header: &Header) -> Result<Vec<Record>, Fault> {
    let mut names = vec![0; header.names.bytes];
    source.fill(header.names.offset, &mut names)?;
    let table = NameTable::parse(&String::from_utf8_lossy(&names))?;
    let mut records = Vec::new();
    for (index, section) in header.sections.iter().enumerate() {
        // A newer library may have kinds that this tool does not know.
        let Some(kind) = section.kind else { continue };
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        let fields = table.fields(kind, section.stride).ok_or(Fault::Section(number))?;
        let mut bytes = vec![0; section.span.bytes];
        source.fill(section.span.offset, &mut bytes)?;
        let slots = bytes.chunks_exact(section.stride);
        records.extend(slots.filter_map(|slot| record(kind, &fields, slot)));
    }
    Ok(records)
}

fn sections(table: &[u8], length: u64) -> Result<Vec<Section>, Fault> {
    let mut sections = Vec::new();
    // Sections that overlap could make of a small file any number of records.
    let mut left = length;
    for (index, row) in table.chunks_exact(SECTION_BYTES).enumerate() {
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        let kind = word(row, 0)?;
        if kind == 0 {
            break;
        }
        let (stride, slots) = (word(row, 8)? as usize, word(row, 12)? as usize);
        let bytes = stride.checked_mul(slots).ok_or(Fault::Section(number))?;
        let span = Span { offset: word(row, 4)?.into(), bytes };
        if !(16..=MAX_RECORD_BYTES).contains(&stride) || !span.is_within(length) {
            return Err(Fault::Section(number));
        }
        left = left.checked_sub(bytes as u64).ok_or(Fault::Section(number))?;
        sections.push(Section { kind: Kind::of_number(kind), span, stride });
    }
    Ok(sections)
}

/// Nothing where the slot is free.
fn record(kind: Kind, fields: &Arc<[Field]>, slot: &[u8]) -> Option<Record> {
    let serial = double_word(slot, 0).ok().filter(|serial| *serial != 0)?;
    let parent = double_word(slot, 8).ok()?;
    let values = fields.iter().map(|field| value(field, slot)).collect::<Option<_>>()?;
    Some(Record { kind, serial, parent, fields: fields.clone(), values })
}

fn value(field: &Field, slot: &[u8]) -> Option<Value> {
    let Form::Text(bytes) = field.form else {
        return double_word(slot, field.offset).ok().map(Value::Number);
    };
    let text = slot.get(field.offset..field.offset.checked_add(bytes)?)?;
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    Some(Value::Text(String::from_utf8_lossy(text).into_owned()))
}

impl Span {
    fn is_within(&self, length: u64) -> bool {
        self.offset.checked_add(self.bytes as u64).is_some_and(|end| end <= length)
    }
}

/// The fields of each kind.
struct NameTable(Vec<(Kind, Field)>);

impl NameTable {
    /// Lines of kinds that this tool does not know are passed over, as are columns behind the last.
    fn parse(text: &str) -> Result<NameTable, Fault> {
        let mut rows = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_end_matches('\0');
            if line.is_empty() {
                continue;
            }
            let fault = Fault::Names { line: index + 1 };
            let mut columns = line.split('\t');
            let mut column = || columns.next().ok_or(fault.clone());
            let kind = Kind::of_name(column()?);
            let (name, offset, unit, form) = (column()?, column()?, column()?, column()?);
            let help = columns.next().unwrap_or_default();
            let Some(kind) = kind else { continue };
            let field = Field {
                name: name.to_owned(),
                unit: unit.to_owned(),
                form: Form::parse(form).ok_or(fault.clone())?,
                help: help.to_owned(),
                offset: offset.parse().map_err(|_| fault.clone())?,
            };
            // The buckets of one histogram have one name.
            let is_same = |(of, known): &(Kind, Field)| *of == kind && known.name == field.name;
            let is_double = rows
                .iter()
                .filter(|row| is_same(row))
                .any(|(_, known)| !(known.is_bucket() && field.is_bucket()));
            if rows.len() == MAX_FIELDS || !is_name(name) || is_double {
                return Err(fault);
            }
            rows.push((kind, field));
        }
        Ok(NameTable(rows))
    }

    /// Nothing where one of them lies outside of its record, or where they have more bytes than that: some would share theirs, and a small
    /// record could have any number.
    fn fields(&self, kind: Kind, stride: usize) -> Option<Arc<[Field]>> {
        let fields = self.0.iter().filter(|(of, _)| *of == kind).map(|(_, field)| field);
        let fits = |field: &&Field| field.end().is_some_and(|end| end <= stride);
        let bytes = fields.clone().map(Field::bytes).fold(0, usize::saturating_add);
        (bytes <= stride && fields.clone().all(|field| fits(&field))).then(|| fields.cloned().collect())
    }
}

/// Names become names of metrics, where little is allowed.
fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    !name.is_empty() && name.len() <= 64 && name.bytes().all(is_plain)
}

impl Field {
    fn is_bucket(&self) -> bool {
        matches!(self.form, Form::Bucket(_))
    }

    fn bytes(&self) -> usize {
        if let Form::Text(bytes) = self.form { bytes } else { 8 }
    }

    fn end(&self) -> Option<usize> {
        self.offset.checked_add(self.bytes())
    }
}

impl Form {
    fn parse(text: &str) -> Option<Form> {
        match text.split_once(' ') {
            None if text == "counter" => Some(Form::Counter),
            None if text == "gauge" => Some(Form::Gauge),
            Some(("bucket", bound)) => match bound {
                "+Inf" | "inf" => Some(Form::Bucket(f64::INFINITY)),
                _ => bound.parse().ok().filter(|bound: &f64| bound.is_finite()).map(Form::Bucket),
            },
            Some(("text", bytes)) => bytes.parse().ok().map(Form::Text),
            _ => None,
        }
    }
}

fn word(bytes: &[u8], offset: usize) -> Result<u32, Fault> {
    let found = bytes.get(offset..).and_then(|rest| rest.first_chunk()).ok_or(Fault::Truncated)?;
    Ok(u32::from_ne_bytes(*found))
}

fn double_word(bytes: &[u8], offset: usize) -> Result<u64, Fault> {
    let found = bytes.get(offset..).and_then(|rest| rest.first_chunk()).ok_or(Fault::Truncated)?;
    Ok(u64::from_ne_bytes(*found))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::stats::written::Written;

    struct Bytes<'a>(&'a [u8]);

    impl Source for Bytes<'_> {
        fn fill(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
            let start = usize::try_from(offset).map_err(|_| Fault::Truncated)?;
            let range =
                self.0.get(start..).and_then(|rest| rest.get(..buffer.len())).ok_or(Fault::Truncated)?;
            buffer.copy_from_slice(range);
            Ok(())
        }
    }

    fn parse(bytes: &[u8]) -> Result<(Header, Vec<Record>), Fault> {
        let header = header(&Bytes(bytes), bytes.len() as u64)?;
        let records = records(&Bytes(bytes), &header)?;
        Ok((header, records))
    }

    /// A generator of Marsaglia's, so that a failure can be repeated.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }

        fn below(&mut self, end: usize) -> usize {
            (self.next() % end as u64) as usize
        }
    }

    #[test]
    fn records_are_read_by_the_name_table_alone() {
        let (header, records) = parse(&Written::example().bytes()).unwrap();
        assert_eq!(header.pid, u64::from(std::process::id()));
        let kinds = |wanted| records.iter().filter(|record| record.kind == wanted).count();
        assert_eq!([Kind::Process, Kind::Socket, Kind::Connection, Kind::Lane].map(kinds), [1, 2, 1, 3]);
        let socket = records.iter().find(|record| record.serial == 7).unwrap();
        assert_eq!(
            (socket.parent, socket.number("messages_sent"), socket.text("type")),
            (1, Some(100), "PUSH")
        );
        assert_eq!((socket.number("no_such_counter"), socket.text("no_such_text")), (None, ""));
        let connection = records.iter().find(|record| record.serial == 12).unwrap();
        assert!(connection.fields().any(|(field, _)| field.name == "future" && field.unit == "parsecs"));
    }

    #[test]
    fn what_is_no_such_file_is_told_apart() {
        let whole = Written::example().bytes();
        let with = |offset: usize, bytes: &[u8]| {
            let mut spoilt = whole.clone();
            spoilt.splice(offset..offset + bytes.len(), bytes.iter().copied());
            parse(&spoilt).map(|_| ()).unwrap_err()
        };
        assert_eq!(with(0, b"ELF"), Fault::NoMagic);
        assert_eq!(with(8, &[2, 0, 0, 0]), Fault::Version(2));
        assert_eq!(with(12, &[63, 0, 0, 0]), Fault::Header);
        assert_eq!(with(12, &[1, 16, 0, 0]), Fault::Header);
        assert_eq!(with(56, &[0xff; 4]), Fault::Header);
        assert_eq!(with(60, &[0xff; 4]), Fault::Header);
        for (offset, bytes) in [(68, [0xff; 4]), (72, [15, 0, 0, 0]), (72, [0xff; 4]), (76, [0xff; 4])] {
            assert_eq!(with(offset, &bytes), Fault::Section(0), "{offset}");
        }
        // A stride that the fields of the kind do not fit into.
        assert!(matches!(with(72 + 16, &[16, 0, 0, 0]), Fault::Section(1)));
        for length in [0, 7, 63, 64, 80, 4096, whole.len() - 1] {
            assert!(parse(&whole[..length]).is_err(), "{length}");
        }
        assert_eq!(header(&Bytes(&whole), MAX_FILE_BYTES + 1), Err(Fault::TooLarge));
    }

    #[test]
    fn a_small_file_has_no_more_records_and_numbers_than_it_has_bytes_for() {
        let whole = Written::example().bytes();
        let stride = word(&whole, 72).unwrap() as usize;
        let slots = u32::try_from(whole.len() / stride).unwrap();
        let mut overlapping = whole.clone();
        overlapping[68..72].copy_from_slice(&0u32.to_ne_bytes());
        overlapping[76..80].copy_from_slice(&slots.to_ne_bytes());
        assert_eq!(parse(&overlapping).map(|_| ()), Err(Fault::Section(1)));
        let with = |fields: usize| {
            let mut shared = Written::example();
            (0..fields)
                .for_each(|number| shared.names += &format!("process\tf{number}\t16\tcount\tcounter\t\n"));
            parse(&shared.bytes()).map(|_| ())
        };
        assert_eq!((with(1), with(stride / 8)), (Ok(()), Err(Fault::Section(0))));
    }

    #[test]
    fn lines_of_the_name_table_are_checked() {
        for broken in [
            "socket",
            "socket\ta\tb\tc\tcounter\t",
            "socket\ta\t16\tcount\tthing\t",
            "socket\ta\t16\tcount\tbucket\t",
            "socket\ta\t16\tcount\tbucket NaN\t",
            "socket\ta\t16\tcount\ttext -1\t",
            "socket\tA b\t16\tcount\tcounter\t",
            "socket\t\t16\tcount\tcounter\t",
            "socket\ta\t16\tcount\tcounter\t\nsocket\ta\t24\tcount\tgauge\t",
        ] {
            let faulty = Written { names: format!("{broken}\n"), ..Written::example() };
            assert!(matches!(parse(&faulty.bytes()), Err(Fault::Names { .. })), "{broken}");
        }
        for outside in ["18446744073709551615", "505"] {
            let names = format!("socket\ta\t{outside}\tcount\tcounter\t\n");
            let faulty = Written { names, ..Written::example() };
            assert!(matches!(parse(&faulty.bytes()), Err(Fault::Section(_))), "{outside}");
        }
    }

    #[test]
    fn spoilt_files_end_in_a_fault_or_in_numbers() {
        let whole = Written::example().bytes();
        let mut random = Random(0x5eed_0017);
        let mut read = 0;
        for _ in 0..20_000 {
            let mut spoilt = whole.clone();
            // Most flips hit the header and the name table.
            for _ in 0..=random.below(4) {
                let end = if random.below(2) == 0 { 160 } else { whole.len() };
                let (place, bit) = (random.below(end), random.below(8));
                spoilt[place] ^= 1 << bit;
            }
            if random.below(8) == 0 {
                spoilt.truncate(random.below(whole.len()));
            }
            if let Ok((_, records)) = parse(&spoilt) {
                read += 1;
                assert!(records.len() <= spoilt.len() / 16);
            }
        }
        assert!(read > 1000, "{read}");
    }

    #[test]
    fn random_bytes_end_in_a_fault_or_in_numbers() {
        let mut random = Random(0x5eed_0018);
        for _ in 0..5_000 {
            let length = random.below(6000);
            let mut bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
            // A right beginning, so that more than the magic is looked at.
            let right = Written::new().bytes();
            let kept = random.below(88).min(length);
            bytes.splice(..kept, right[..kept].iter().copied());
            let _ = parse(&bytes);
        }
    }
}
