//! Completions and manual pages, made from the command line's own description.

use crate::cli::{Cli, Completions, Man};
use crate::failure::{self, Failure};
use crate::outcome::Outcome;
use clap::CommandFactory;
use clap_mangen::roff::{Roff, roman};
use std::fs;
use std::io;
use std::path::Path;

const SOURCE: &str = concat!("ferrozmq ", env!("CARGO_PKG_VERSION"));
const MANUAL: &str = "ferrozmq";

pub fn completions(options: &Completions) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "ferrozmq", &mut script);
    failure::print(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Yes)
}

pub fn man(options: &Man) -> Result<Outcome, Failure> {
    let tree = built();
    let Some(folder) = &options.out else {
        failure::print(&page(tree)?)?;
        return Ok(Outcome::Yes);
    };
    fs::create_dir_all(folder).map_err(|error| Failure::of(folder, &error))?;
    for command in tree.get_subcommands() {
        write(folder, &format!("ferrozmq-{}.1", command.get_name()), &page(command.clone())?)?;
    }
    write(folder, "ferrozmq.1", &page(tree)?)?;
    Ok(Outcome::Yes)
}

/// The command with all its subcommands, each of which knows its full name.
fn built() -> clap::Command {
    let mut tree = Cli::command();
    tree.build();
    tree
}

/// A manual page. What the help has below its options stands in it as it is: examples, exit codes.
fn page(command: clap::Command) -> Result<String, Failure> {
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let is_top = command.has_subcommands();
    let man = clap_mangen::Man::new(command).source(SOURCE).manual(MANUAL);
    let mut page = Vec::new();
    let mut render = || -> io::Result<()> {
        man.render_title(&mut page)?;
        man.render_name_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
        if is_top {
            man.render_subcommands_section(&mut page)?;
        }
        sections(&after).to_writer(&mut page)
    };
    render().map_err(|error| Failure::new(format!("the manual page: {}", failure::plain(&error))))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// The parts of a help text below its options. A line that ends in a colon and is not indented begins one.
fn sections(after: &str) -> Roff {
    let mut roff = Roff::default();
    let mut has_heading = false;
    for line in after.lines() {
        match line.strip_suffix(':') {
            Some(heading) if !line.starts_with(' ') && heading.split(' ').count() <= 2 => {
                if has_heading {
                    roff.control("fi", []);
                }
                roff.control("SH", [heading.to_uppercase().as_str()]);
                roff.control("nf", []);
                has_heading = true;
            }
            _ => {
                roff.text([roman(line)]);
            }
        }
    }
    if has_heading {
        roff.control("fi", []);
    }
    roff
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let file = folder.join(name);
    fs::write(&file, text).map_err(|error| Failure::of(&file, &error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_subcommand_has_a_page_with_examples() {
        for command in built().get_subcommands() {
            let page = page(command.clone()).unwrap();
            assert!(page.contains(".SH EXAMPLES\n.nf\n"), "{page}");
            assert!(page.contains(&format!("ferrozmq\\-{}", command.get_name())), "{page}");
        }
    }

    #[test]
    fn the_page_of_the_tool_lists_its_subcommands() {
        let page = page(built()).unwrap();
        assert!(page.contains("ferrozmq\\-keygen(1)") && page.contains(".SH \"EXIT CODES\""), "{page}");
    }
}
