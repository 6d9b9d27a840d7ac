//! `include/zmq.h` and `include/zmq_ferro.h` are what cbindgen makes of the source, and both compilers take them without a
//! word.
//!
//! `make header` (this test with `FERROZMQ_WRITE_HEADER=1`) writes them anew, and the options in the manual page zmq_ferro(7).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The modules whose items make up the C interface.
const INTERFACE: [&str; 2] = ["src/ffi", "src/options"];

/// A header and how it is made.
struct Header {
    file: &'static str,
    config: &'static str,
    /// Whether a constant or function belongs into it.
    holds: fn(&str) -> bool,
}

const HEADERS: [Header; 2] = [
    // Our own constants are no part of zmq.h: libzmq does not have them.
    Header {
        file: "zmq.h",
        config: "cbindgen.toml",
        holds: |name| name.to_ascii_uppercase().starts_with("ZMQ_") && !is_ours(name),
    },
    Header { file: "zmq_ferro.h", config: "cbindgen-ferro.toml", holds: is_ours },
];

/// Numbers from here on are arguments of functions.
const FIRST_ARGUMENT: u32 = 0x4600_8000;

/// What lies between them in the manual page is made from the header.
const OPTIONS_BEGIN: &str = ".\\\" Made from zmq_ferro.h by `make header` from here on.\n";
const OPTIONS_END: &str = ".\\\" To here.\n";

#[test]
fn headers_are_made_from_the_source() {
    for header in &HEADERS {
        let made = header.generate();
        let committed = root().join("include").join(header.file);
        if std::env::var_os("FERROZMQ_WRITE_HEADER").is_some() {
            fs::write(&committed, &made).unwrap();
        }
        let there = fs::read_to_string(&committed).expect("a header; run `make header`");
        let file = header.file;
        if let Some((number, (old, new))) =
            there.lines().zip(made.lines()).enumerate().find(|(_, (old, new))| old != new)
        {
            panic!("{file}, line {}: has\n  {old}\nnow it is\n  {new}\nrun `make header`", number + 1);
        }
        assert_eq!(there.len(), made.len(), "{file} has lines too many or too few; run `make header`");
    }
}

/// The options in the manual page are the header's own words.
#[test]
fn the_manual_page_has_the_options_of_the_header() {
    let header = HEADERS[1].generate();
    let page = root().join("docs/man/zmq_ferro.7");
    let there = fs::read_to_string(&page).unwrap();
    let (before, rest) = there.split_once(OPTIONS_BEGIN).expect("where the options begin");
    let (_, after) = rest.split_once(OPTIONS_END).expect("where the options end");
    let made = format!("{before}{OPTIONS_BEGIN}{}{OPTIONS_END}{after}", options_of_the_manual(&header));
    if std::env::var_os("FERROZMQ_WRITE_HEADER").is_some() {
        fs::write(&page, &made).unwrap();
    } else {
        assert!(there == made, "docs/man/zmq_ferro.7 has not the words of zmq_ferro.h; run `make header`");
    }
}

#[test]
fn headers_compile_as_strict_c_and_cpp() {
    for headers in [&["zmq.h"][..], &["zmq_utils.h"], &["zmq.h", "zmq_ferro.h"]] {
        for draft in ["-UZMQ_BUILD_DRAFT_API", "-DZMQ_BUILD_DRAFT_API=1"] {
            compile("gcc", &["-xc", "-std=c99", draft], headers);
            compile("gcc", &["-xc", "-std=c17", draft], headers);
            compile("g++", &["-xc++", "-std=c++11", draft], headers);
            compile("g++", &["-xc++", "-std=c++20", draft], headers);
        }
    }
}

/// All numbers of the extension are there, as ints that the preprocessor knows.
#[test]
fn the_extension_has_its_numbers() {
    let numbers = fs::read_to_string(root().join("src/options/number.rs")).unwrap();
    let names: Vec<&str> = constants(&numbers).filter(|name| is_ours(name)).collect();
    assert!(names.len() >= 5, "{names:?}");
    let checks = names.iter().map(|name| format!("#if {name} < 0x46000001\n#error \"{name}\"\n#endif\n"));
    let source =
        format!("#include \"zmq.h\"\n#include \"zmq_ferro.h\"\n{}int x;\n", checks.collect::<String>());
    assert_eq!(complaint_of("gcc", &["-xc", "-std=c99"], &source), "");
}

/// A message, a poll item and a poller event lie in memory as they do in libzmq.
#[test]
fn structs_are_laid_out_as_programs_expect() {
    let source = r#"
        #include "zmq.h"
        #include <stddef.h>
        #define CHECK(name, condition) typedef char name[(condition) ? 1 : -1]
        CHECK(message_size, sizeof(zmq_msg_t) == 64);
        CHECK(message_alignment, offsetof(struct { char c; zmq_msg_t m; }, m) == sizeof(void *));
        CHECK(item_size, sizeof(zmq_pollitem_t) == sizeof(void *) + 8);
        CHECK(item_fd, offsetof(zmq_pollitem_t, fd) == sizeof(void *));
        CHECK(item_events, offsetof(zmq_pollitem_t, events) == sizeof(void *) + 4);
        CHECK(item_revents, offsetof(zmq_pollitem_t, revents) == sizeof(void *) + 6);
        CHECK(event_size, sizeof(zmq_poller_event_t) == 4 * sizeof(void *));
        CHECK(event_user_data, offsetof(zmq_poller_event_t, user_data) == 2 * sizeof(void *));
        CHECK(event_events, offsetof(zmq_poller_event_t, events) == 3 * sizeof(void *));
    "#;
    let complaint = complaint_of("gcc", &["-xc", "-std=c99", "-DZMQ_BUILD_DRAFT_API=1"], source);
    assert_eq!(complaint, "");
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

impl Header {
    fn generate(&self) -> String {
        let mut config = cbindgen::Config::from_file(root().join(self.config)).unwrap();
        let folders = INTERFACE.iter().map(|folder| root().join(folder));
        config.export.exclude.extend(folders.flat_map(|folder| self.left_out(&folder)));
        let builder =
            INTERFACE.iter().fold(cbindgen::Builder::new().with_config(config), |builder, folder| {
                builder.with_src(root().join(folder).join("mod.rs"))
            });
        let mut bytes = Vec::new();
        builder.generate().unwrap().write(&mut bytes);
        polish(String::from_utf8(bytes).unwrap())
    }

    /// Constants and functions that do not belong into it.
    fn left_out(&self, folder: &Path) -> Vec<String> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                names.extend(self.left_out(&path));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let items = constants(&text).chain(functions(&text));
                names.extend(items.filter(|name| !(self.holds)(name)).map(str::to_owned));
            }
        }
        names
    }
}

/// The names of all constants in a piece of source.
fn constants(text: &str) -> impl Iterator<Item = &str> {
    let names =
        text.split("const ").skip(1).filter_map(|rest| rest.split_once(':')).map(|(name, _)| name.trim());
    names.filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

/// The names of all functions in a piece of source that C can call.
fn functions(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("fn zmq_").filter_map(|(at, _)| text.get(at + "fn ".len()..)?.split('(').next())
}

fn is_ours(name: &str) -> bool {
    name.starts_with("ZMQ_FERRO_") || name.starts_with("zmq_ferro_")
}

/// The options of `zmq_ferro.h` as a list in mdoc.
fn options_of_the_manual(header: &str) -> String {
    let mut list = ".Bl -tag -width Ds\n".to_owned();
    for comment in header.split("/*\n").skip(1) {
        // Functions have a section of their own.
        let Some((words, rest)) = comment.split_once(" */\n#define ") else { continue };
        let (name, number) = rest.lines().next().and_then(|line| line.split_once(' ')).expect("a number");
        let number: u32 = number.parse().expect("a number");
        // The page describes the arguments of functions with those.
        if number >= FIRST_ARGUMENT {
            continue;
        }
        list.push_str(&format!(".It Dv {name} Pq {number:#x}\n"));
        let paragraphs = words.trim().split("\n\n").map(in_mdoc);
        list.push_str(&paragraphs.collect::<Vec<_>>().join(".Pp\n"));
    }
    list + ".El\n"
}

/// A paragraph with constants set apart. Each sentence begins a line, as it does in such pages, and no line is long.
fn in_mdoc(paragraph: &str) -> String {
    const MAX_COLUMNS: usize = 78;
    let mut text = String::new();
    let mut columns = 0;
    for word in paragraph.split_whitespace() {
        let word = word.replacen('`', "\\fB", 1).replacen('`', "\\fR", 1);
        let begins = text.ends_with('.') || columns + 1 + word.len() > MAX_COLUMNS;
        if !text.is_empty() {
            text.push(if begins { '\n' } else { ' ' });
        }
        columns = if begins { word.len() } else { columns + 1 + word.len() };
        text.push_str(&word);
    }
    text + "\n"
}

/// What cbindgen has no setting for.
fn polish(mut header: String) -> String {
    // One condition around all draft items in a row instead of one around each.
    header = header.replace("#endif\n\n#if defined(ZMQ_BUILD_DRAFT_API)\n", "\n");
    // It does not see through the names of callback types, which in C name functions, not pointers to them.
    for callback in ["zmq_free_fn", "zmq_timer_fn", "zmq_thread_fn"] {
        header = header.replace(&format!("typedef struct Option_{callback} Option_{callback};\n\n"), "");
        header = header.replace(&format!("struct Option_{callback} "), &format!("{callback} *"));
    }
    // An item that is a draft in a module of drafts.
    let draft = "defined(ZMQ_BUILD_DRAFT_API)";
    header = header.replace(&format!("({draft} && {draft})"), draft);
    name_the_caller(&header)
}

/// Words a `# Safety` section of Rust's documentation as what C's caller has to see to.
fn name_the_caller(header: &str) -> String {
    let mut polished = String::new();
    let mut rest = header;
    while let Some((before, after)) = rest.split_once(" # Safety\n") {
        let (section, end) = after.split_once(" */").expect("the end of a comment");
        let demand = section.split_whitespace().collect::<Vec<_>>().join(" ");
        if demand.starts_with("Nothing") {
            polished.push_str(before.strip_suffix('\n').unwrap_or(before));
        } else {
            polished.push_str(before);
            polished.push_str(&wrap(&format!("The caller must ensure that {}", begin_small(&demand))));
        }
        polished.push_str(" */");
        rest = end;
    }
    polished + rest
}

fn begin_small(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Lines of a C comment.
fn wrap(text: &str) -> String {
    const MAX_COLUMNS: usize = 116;
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        if lines.last().is_some_and(|line| line.len() + 1 + word.len() > MAX_COLUMNS) {
            lines.push(String::new());
        }
        let line = lines.last_mut().expect("a line");
        line.push(' ');
        line.push_str(word);
    }
    lines.join("\n") + "\n"
}

fn compile(compiler: &str, flags: &[&str], headers: &[&str]) {
    // Twice: a program may include it by way of several of its own headers.
    let includes =
        headers.iter().map(|header| format!("#include \"{header}\"\n")).collect::<String>().repeat(2);
    let source = format!("{includes}int unused_but_not_empty;\n");
    assert_eq!(complaint_of(compiler, flags, &source), "", "{compiler} {flags:?} {headers:?}");
}

/// What the compiler says to `source`, warnings included; notes that are no warnings do not count.
fn complaint_of(compiler: &str, flags: &[&str], source: &str) -> String {
    use std::io::Write;
    let mut child = Command::new(compiler)
        .args(flags)
        .args(["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only", "-"])
        .arg(format!("-I{}", root().join("include").display()))
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("a C and a C++ compiler are needed for this test");
    child.stdin.take().unwrap().write_all(source.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { String::new() } else { words }
}
