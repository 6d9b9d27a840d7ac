//! `ferrozmq top`.

mod app;
mod details;
mod line;
mod rates;
mod screen;
mod table;

pub use table::View;

use crate::cli::Top;
use crate::failure::{self, Failure};
use crate::outcome::Outcome;
use crate::stats::{self, Observation, folder, json};
use app::{App, Effect, Key};
use line::Grid;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use screen::Picture;
use std::env;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use table::Choice;

pub fn run(options: &Top) -> Result<Outcome, Failure> {
    let folder = folder::choose(options.stats.as_deref());
    let interval = Duration::from_secs_f64(options.interval);
    if options.json {
        return print_json(options, &folder, interval);
    }
    if options.once {
        return print_once(options, &folder, interval);
    }
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(Failure::new("this is no terminal: add --once for a table, or --json"));
    }
    live(options, folder)
}

fn choice(options: &Top, view: View) -> Choice {
    Choice { filter: options.filter.clone().unwrap_or_default(), ..Choice::of(view) }
}

/// A line for each look; with `--once`, one.
fn print_json(options: &Top, folder: &Path, interval: Duration) -> Result<Outcome, Failure> {
    loop {
        let now = stats::observe(folder, options.keep)?;
        failure::print(&format!("{}\n", json::observation(&now)))?;
        if options.once {
            return Ok(answer(&now));
        }
        thread::sleep(interval);
    }
}

/// Two looks, since one has no rates.
fn print_once(options: &Top, folder: &Path, interval: Duration) -> Result<Outcome, Failure> {
    let before = stats::observe(folder, true)?;
    if !before.processes.is_empty() {
        thread::sleep(interval);
    }
    let now = stats::observe(folder, options.keep)?;
    for problem in &now.problems {
        anstream::eprintln!("ferrozmq: {}", crate::audit::printable(problem));
    }
    if now.processes.is_empty() {
        anstream::eprintln!("ferrozmq: {}: no process writes its counters there", folder.display());
    }
    let views = match options.view {
        Some(view) => vec![view],
        None => vec![View::Processes, View::Sockets, View::Connections],
    };
    let mut tables = Vec::new();
    for view in views {
        let choice = choice(options, view);
        let rows = table::rows(Some(&before), &now, &choice);
        if rows.is_empty() {
            continue;
        }
        let grid = Grid::for_rows(&choice, &rows);
        let head: Vec<String> = grid.head(&choice).into_iter().map(|title| title.0).collect();
        let lines = std::iter::once(head.join(" ")).chain(rows.iter().map(|row| grid.line(row)));
        tables.push(lines.map(|line| format!("{}\n", line.trim_end())).collect::<String>());
    }
    failure::print(&tables.join("\n"))?;
    Ok(answer(&now))
}

fn answer(now: &Observation) -> Outcome {
    if now.processes.is_empty() { Outcome::No } else { Outcome::Yes }
}

/// Until the user has had enough.
fn live(options: &Top, folder: PathBuf) -> Result<Outcome, Failure> {
    let first = stats::observe(&folder, options.keep)?;
    let view = options.view.unwrap_or(View::Sockets);
    let has_colours = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut live = Live {
        app: App::new(choice(options, view), options.interval),
        folder,
        keep: options.keep,
        before: None,
        now: first,
        trouble: None,
        has_colours,
    };
    let terminal = ratatui::try_init().map_err(|error| of_terminal(&error))?;
    let result = live.go(terminal);
    ratatui::restore();
    result.map_err(|error| of_terminal(&error))?;
    Ok(Outcome::Yes)
}

fn of_terminal(error: &io::Error) -> Failure {
    Failure::new(format!("the terminal: {}", failure::plain(error)))
}

struct Live {
    app: App,
    folder: PathBuf,
    keep: bool,
    before: Option<Observation>,
    now: Observation,
    trouble: Option<String>,
    has_colours: bool,
}

impl Live {
    fn go(&mut self, mut terminal: ratatui::DefaultTerminal) -> io::Result<()> {
        let mut looked = Instant::now();
        loop {
            let rows = table::rows(self.before.as_ref(), &self.now, &self.app.choice);
            let chosen = rows.get(self.app.place(&rows)).map(|row| row.subject.clone()).unwrap_or_default();
            let details = details::lines(self.before.as_ref(), &self.now, &chosen);
            let picture = Picture {
                folder: &self.folder,
                now: &self.now,
                rows: &rows,
                details: &details,
                trouble: self.trouble.as_deref(),
                has_colours: self.has_colours,
            };
            let drawn = terminal.draw(|frame| screen::draw(frame, &mut self.app, &picture))?;
            let page = screen::page(drawn.area.height);
            let wait = match self.app.is_paused {
                true => Duration::from_hours(1),
                false => Duration::from_secs_f64(self.app.interval).saturating_sub(looked.elapsed()),
            };
            let effect =
                if event::poll(wait)? { self.take(event::read()?, &rows, page) } else { Effect::Look };
            match effect {
                Effect::Quit => return Ok(()),
                Effect::Draw => {}
                Effect::Look if self.app.is_paused => {}
                Effect::Look => {
                    self.look();
                    looked = Instant::now();
                }
            }
        }
    }

    fn take(&mut self, event: Event, rows: &[table::Row], page: usize) -> Effect {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => match key_of(key) {
                Some(key) => self.app.press(key, rows, page),
                None => Effect::Draw,
            },
            _ => Effect::Draw,
        }
    }

    /// A folder that cannot be read for a while leaves the last numbers on the screen.
    fn look(&mut self) {
        match stats::observe(&self.folder, self.keep) {
            Ok(now) => {
                self.before = Some(std::mem::replace(&mut self.now, now));
                self.trouble = None;
            }
            Err(failure) => self.trouble = Some(failure.line().to_owned()),
        }
    }
}

fn key_of(key: KeyEvent) -> Option<Key> {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(match key.code {
        KeyCode::Char('c' | 'd') if is_control => Key::Interrupt,
        KeyCode::Char(_) if is_control => return None,
        KeyCode::Char(letter) => Key::Char(letter),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Tab => Key::Tab,
        _ => return None,
    })
}
