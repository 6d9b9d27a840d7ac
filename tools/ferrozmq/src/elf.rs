//! What a program or library file says of itself. It is read, never run.

use object::elf::{self, DynamicTag};
use object::read::elf::{Dyn, ElfFile, FileHeader, ProgramHeader, SectionHeader};
use object::read::{Object, ObjectSymbol, ReadCache, ReadRef, RelocationTarget};
use object::{Endianness, File as Parsed};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The function by which a file that holds a libzmq is known.
const CONTEXT_NEW: &str = "zmq_ctx_new";
/// What all functions of the interface begin with.
const PREFIX: &str = "zmq_";
/// The name of the note that our library carries.
const NOTE: &[u8] = b"ferrozmq";
/// What `zmq_strerror` says of `EFSM`, in libzmq and in ours. Files without symbols are known by it.
const EFSM_TEXT: &[u8] = b"Operation cannot be accomplished in current state";
/// A variable that our library reads, for builds that have no note yet.
const OUR_VARIABLE: &[u8] = b"FERROZMQ_LOG";
/// The most that is searched for texts.
const MAX_TEXT_BYTES: u64 = 256 << 20;

/// What is in a file.
#[derive(Debug)]
pub struct Elf {
    pub target: Target,
    /// The loader that the program asks for. A program without one is static.
    pub interpreter: Option<PathBuf>,
    pub is_program: bool,
    pub soname: Option<String>,
    pub needed: Vec<String>,
    pub rpath: Option<String>,
    pub runpath: Option<String>,
    /// Whether calls inside of the file stay in it, whatever was loaded before (`-Bsymbolic`).
    pub is_symbolic: bool,
    pub zmq: Zmq,
    /// Where the loader writes the addresses of the `zmq_` functions that the file calls.
    pub slots: Vec<u64>,
    /// Address less offset of the first part that is loaded.
    pub bias: u64,
    /// The texts that were looked for and found.
    texts: Texts,
    /// What the note says: the version.
    note: Option<String>,
}

/// What a file is compiled for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Target {
    machine: u16,
    is_64_bit: bool,
    is_big_endian: bool,
}

/// What a file has to do with libzmq.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Zmq {
    /// It exports the functions, to the loader's knowledge.
    Exported,
    /// It holds them for itself: linked in statically.
    Inside,
    /// It calls functions that another file has.
    Called,
    Nothing,
}

/// Whose code it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Maker {
    /// Ours, with its version where the file tells it.
    Ferrozmq(Option<String>),
    /// Some other libzmq.
    Other,
}

#[derive(Clone, Copy, Debug, Default)]
struct Texts {
    efsm: bool,
    ours: bool,
}

impl Target {
    /// An address as the machine has it in memory, from what `read` fills in.
    pub fn read_address(self, read: impl FnOnce(&mut [u8]) -> io::Result<()>) -> Option<u64> {
        let mut bytes = [0; 8];
        let used = if self.is_64_bit { 8 } else { 4 };
        // Written where the number's lower bytes are.
        let place = if self.is_big_endian { bytes.get_mut(8 - used..) } else { bytes.get_mut(..used) };
        read(place?).ok()?;
        Some(if self.is_big_endian { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
    }
}

impl Elf {
    /// Reads the file. `None` if it is no ELF file.
    pub fn read(path: &Path) -> io::Result<Option<Elf>> {
        let file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Ok(None);
        }
        let cache = ReadCache::new(file);
        Ok(match Parsed::parse(&cache) {
            Ok(Parsed::Elf32(file)) => Elf::of(&file),
            Ok(Parsed::Elf64(file)) => Elf::of(&file),
            _ => None,
        })
    }

    /// Whether the code of a libzmq is in the file, and whose.
    pub fn maker(&self) -> Option<Maker> {
        if !matches!(self.zmq, Zmq::Exported | Zmq::Inside) {
            return None;
        }
        Some(match &self.note {
            Some(version) => Maker::Ferrozmq(Some(version.clone())),
            None if self.texts.ours => Maker::Ferrozmq(None),
            None => Maker::Other,
        })
    }

    fn of<'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>>(
        file: &ElfFile<'data, H, R>,
    ) -> Option<Elf> {
        let (endian, data) = (file.endian(), file.data());
        let header = file.elf_header();
        let mut elf = Elf {
            target: Target {
                machine: header.e_machine(endian).0,
                is_64_bit: header.is_class_64(),
                is_big_endian: header.is_big_endian(),
            },
            interpreter: None,
            is_program: matches!(header.e_type(endian), elf::ET_EXEC | elf::ET_DYN),
            soname: None,
            needed: Vec::new(),
            rpath: None,
            runpath: None,
            is_symbolic: false,
            zmq: Zmq::Nothing,
            slots: Vec::new(),
            bias: 0,
            texts: Texts::default(),
            note: None,
        };
        let mut loaded = file.elf_program_headers().iter().filter(|part| part.p_type(endian) == elf::PT_LOAD);
        if let Some(first) = loaded.next() {
            elf.bias = first.p_vaddr(endian).into().wrapping_sub(first.p_offset(endian).into());
        }
        for part in file.elf_program_headers() {
            if let Ok(Some(path)) = part.interpreter(endian, data) {
                elf.interpreter = Some(PathBuf::from(String::from_utf8_lossy(path).into_owned()));
            }
            elf.note = elf.note.take().or_else(|| note(part, endian, data));
        }
        elf.read_dynamic(file);
        elf.read_symbols(file);
        Some(elf)
    }

    fn read_dynamic<'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>>(
        &mut self,
        file: &ElfFile<'data, H, R>,
    ) {
        let (endian, data) = (file.endian(), file.data());
        let Ok(table) = file.elf_section_table().dynamic_table(endian, data) else { return };
        for entry in table.dynamics().iter().take_while(|entry| entry.tag(endian) != elf::DT_NULL) {
            let text = || {
                let text = entry.string(endian, *table.strings()).ok()?;
                Some(String::from_utf8_lossy(text).into_owned())
            };
            let has = |flag: i64| entry.val(endian) & flag as u64 != 0;
            match entry.tag(endian) {
                elf::DT_NEEDED => self.needed.extend(text()),
                elf::DT_SONAME => self.soname = text(),
                elf::DT_RPATH => self.rpath = text(),
                elf::DT_RUNPATH => self.runpath = text(),
                elf::DT_SYMBOLIC => self.is_symbolic = true,
                elf::DT_FLAGS if has(2) => self.is_symbolic = true,
                DynamicTag(_) => {}
            }
        }
    }

    fn read_symbols<'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>>(
        &mut self,
        file: &ElfFile<'data, H, R>,
    ) {
        let is_new = |name: object::Result<&str>| name.is_ok_and(|name| name == CONTEXT_NEW);
        let exports = file.dynamic_symbols().any(|symbol| symbol.is_definition() && is_new(symbol.name()));
        let calls = || {
            file.dynamic_symbols().any(|symbol| {
                symbol.is_undefined() && symbol.name().is_ok_and(|name| name.starts_with(PREFIX))
            })
        };
        let defines = || file.symbols().any(|symbol| symbol.is_definition() && is_new(symbol.name()));
        self.zmq = match () {
            () if exports => Zmq::Exported,
            () if calls() => Zmq::Called,
            () if defines() => Zmq::Inside,
            () => Zmq::Nothing,
        };
        // Only a file without symbols may hold one that it does not name.
        let is_stripped = file.symbols().next().is_none();
        if self.zmq == Zmq::Called {
            self.slots = slots(file);
        } else if self.zmq != Zmq::Nothing || is_stripped {
            self.texts = texts(file);
            if self.zmq == Zmq::Nothing && self.texts.efsm {
                self.zmq = Zmq::Inside;
            }
        }
    }
}

/// Whether the file has the text among its constants.
pub fn mentions(path: &Path, text: &str) -> bool {
    let Ok(file) = File::open(path) else { return false };
    let cache = ReadCache::new(file);
    match Parsed::parse(&cache) {
        Ok(Parsed::Elf32(file)) => constants(&file).is_some_and(|bytes| contains(bytes, text.as_bytes())),
        Ok(Parsed::Elf64(file)) => constants(&file).is_some_and(|bytes| contains(bytes, text.as_bytes())),
        _ => false,
    }
}

/// The version in our note, if this part of the file holds it.
fn note<'data, P: ProgramHeader<Endian = Endianness>, R: ReadRef<'data>>(
    part: &P,
    endian: Endianness,
    data: R,
) -> Option<String> {
    let mut notes = part.notes(endian, data).ok()??;
    while let Ok(Some(note)) = notes.next() {
        if note.name() == NOTE {
            let text = String::from_utf8_lossy(note.desc()).into_owned();
            return Some(text.trim_end_matches('\0').to_owned());
        }
    }
    None
}

/// The places that the loader fills with addresses of functions of the interface.
fn slots<'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>>(
    file: &ElfFile<'data, H, R>,
) -> Vec<u64> {
    let is_ours = |index| {
        let symbol = file
            .dynamic_symbol_table()
            .and_then(|table| object::ObjectSymbolTable::symbol_by_index(&table, index).ok());
        symbol.is_some_and(|symbol| symbol.name().is_ok_and(|name| name.starts_with(PREFIX)))
    };
    let Some(relocations) = file.dynamic_relocations() else { return Vec::new() };
    let of_interface = relocations.filter(|(_, relocation)| match relocation.target() {
        RelocationTarget::Symbol(index) => is_ours(index),
        _ => false,
    });
    of_interface.map(|(offset, _)| offset).collect()
}

fn texts<'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>>(file: &ElfFile<'data, H, R>) -> Texts {
    let Some(bytes) = constants(file) else { return Texts::default() };
    Texts { efsm: contains(bytes, EFSM_TEXT), ours: contains(bytes, OUR_VARIABLE) }
}

/// The constants of a program.
fn constants<'data, H: FileHeader<Endian = Endianness>, R: ReadRef<'data>>(
    file: &ElfFile<'data, H, R>,
) -> Option<&'data [u8]> {
    let (_, section) = file.elf_section_table().section_by_name(file.endian(), b".rodata")?;
    let (offset, size) = section.file_range(file.endian())?;
    file.data().read_bytes_at(offset, size.min(MAX_TEXT_BYTES)).ok()
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    memchr::memmem::find(bytes, text).is_some()
}
