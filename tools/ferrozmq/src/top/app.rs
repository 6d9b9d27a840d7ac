//! What the keys do: views, the row that is chosen, the filter. Pure.

use super::table::{Choice, Row, Subject, View};

/// A key, as far as it matters here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Key {
    Char(char),
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Left,
    Right,
    Enter,
    Escape,
    Backspace,
    Tab,
    Interrupt,
}

/// What the keys are for at present.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    Table,
    /// The filter is being typed.
    Filter,
    Help,
}

/// What is to be done after a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    Draw,
    /// Look at the counters at once.
    Look,
    Quit,
}

pub const HELP: &[(&str, &str)] = &[
    ("up, down, j, k", "choose a row; also page up, page down, home, end"),
    ("enter", "go into it: process, sockets, connections, counters"),
    ("esc, backspace", "go back; take the filter away"),
    ("1, 2, 3, tab", "all processes, sockets, connections; the next of these"),
    ("c", "all counters of the chosen row, with what they count"),
    ("left, right, < >", "sort by another column"),
    ("r", "turn the order round"),
    ("/", "show only the rows that hold these words"),
    ("p, space", "pause, go on"),
    ("+, -", "look more often, less often"),
    ("?, h", "this page"),
    ("q, ctrl-c", "quit"),
];

/// Seconds from look to look.
const INTERVALS: [f64; 8] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];
const MAX_FILTER_CHARS: usize = 64;

#[derive(Debug)]
pub struct App {
    pub choice: Choice,
    pub mode: Mode,
    pub is_paused: bool,
    pub interval: f64,
    /// What the chosen row is about. It stays chosen when the rows change their order.
    pub chosen: Option<Subject>,
    /// The first row on the screen.
    pub first: usize,
    /// Views to go back to, with what was chosen there.
    before: Vec<(Choice, Option<Subject>)>,
}

impl App {
    pub fn new(choice: Choice, interval: f64) -> App {
        let mode = Mode::Table;
        App { choice, mode, is_paused: false, interval, chosen: None, first: 0, before: Vec::new() }
    }

    /// The place of the chosen row; that of the first one where none is chosen, or it is not there any more.
    pub fn place(&self, rows: &[Row]) -> usize {
        rows.iter().position(|row| Some(&row.subject) == self.chosen.as_ref()).unwrap_or(0)
    }

    /// Moves the window so that the chosen row is in it.
    pub fn scroll(&mut self, rows: &[Row], height: usize) {
        let place = self.place(rows);
        let lowest = (place + 1).saturating_sub(height);
        self.first = self
            .first
            .clamp(lowest, place.max(lowest))
            .min(rows.len().saturating_sub(height.min(rows.len())));
    }

    /// `rows` are those on the screen, of which `page` fit.
    pub fn press(&mut self, key: Key, rows: &[Row], page: usize) -> Effect {
        if key == Key::Interrupt {
            return Effect::Quit;
        }
        match self.mode {
            Mode::Filter => self.type_filter(key),
            Mode::Help => self.mode = Mode::Table,
            Mode::Table => return self.command(key, rows, page),
        }
        Effect::Draw
    }

    fn type_filter(&mut self, key: Key) {
        match key {
            Key::Char(letter) if self.choice.filter.chars().count() < MAX_FILTER_CHARS => {
                self.choice.filter.push(letter)
            }
            Key::Backspace => {
                self.choice.filter.pop();
            }
            Key::Escape => {
                self.choice.filter.clear();
                self.mode = Mode::Table;
            }
            Key::Enter => self.mode = Mode::Table,
            _ => {}
        }
    }

    fn command(&mut self, key: Key, rows: &[Row], page: usize) -> Effect {
        let last = rows.len().saturating_sub(1);
        let place = self.place(rows);
        match key {
            Key::Char('q') => return Effect::Quit,
            Key::Up | Key::Char('k') => self.choose(rows, place.saturating_sub(1)),
            Key::Down | Key::Char('j') => self.choose(rows, place.saturating_add(1).min(last)),
            Key::PageUp => self.choose(rows, place.saturating_sub(page)),
            Key::PageDown => self.choose(rows, place.saturating_add(page).min(last)),
            Key::Home => self.choose(rows, 0),
            Key::End => self.choose(rows, last),
            Key::Left | Key::Char('<') => self.sort_by_next(-1),
            Key::Right | Key::Char('>') => self.sort_by_next(1),
            Key::Char('r') => self.choice.is_reversed = !self.choice.is_reversed,
            Key::Enter => self.enter(rows.get(place)),
            Key::Char('c') => self.counters(rows.get(place)),
            Key::Escape | Key::Backspace => self.back(),
            Key::Char('1') => self.turn_to(View::Processes),
            Key::Char('2') => self.turn_to(View::Sockets),
            Key::Char('3') => self.turn_to(View::Connections),
            Key::Tab => self.turn_to(match self.choice.view {
                View::Processes => View::Sockets,
                View::Sockets => View::Connections,
                View::Connections | View::Counters => View::Processes,
            }),
            Key::Char('/') => self.mode = Mode::Filter,
            Key::Char('?' | 'h') => self.mode = Mode::Help,
            Key::Char('p' | ' ') => {
                self.is_paused = !self.is_paused;
                return if self.is_paused { Effect::Draw } else { Effect::Look };
            }
            Key::Char('+') => self.interval = faster(self.interval),
            Key::Char('-') => self.interval = slower(self.interval),
            Key::Char(_) | Key::Interrupt => {}
        }
        Effect::Draw
    }

    fn choose(&mut self, rows: &[Row], place: usize) {
        self.chosen = rows.get(place).map(|row| row.subject.clone());
    }

    fn sort_by_next(&mut self, step: isize) {
        let columns = self.choice.view.columns();
        let place = columns.iter().position(|column| *column == self.choice.sort).unwrap_or(0);
        let next = place.saturating_add_signed(step).min(columns.len().saturating_sub(1));
        if let Some(column) = columns.get(next) {
            self.choice.sort = *column;
            self.choice.is_reversed = false;
        }
    }

    fn enter(&mut self, row: Option<&Row>) {
        match self.choice.view {
            View::Processes => self.go(View::Sockets, row),
            View::Sockets => self.go(View::Connections, row),
            View::Connections => self.go(View::Counters, row),
            View::Counters => {}
        }
    }

    fn counters(&mut self, row: Option<&Row>) {
        if self.choice.view != View::Counters {
            self.go(View::Counters, row);
        }
    }

    fn go(&mut self, view: View, row: Option<&Row>) {
        let Some(row) = row else { return };
        let next = Choice { scope: row.subject.clone(), ..Choice::of(view) };
        let before = std::mem::replace(&mut self.choice, next);
        self.before.push((before, Some(row.subject.clone())));
        self.chosen = None;
        self.first = 0;
    }

    /// To the view before, after the filter.
    fn back(&mut self) {
        if !self.choice.filter.is_empty() {
            self.choice.filter.clear();
        } else if let Some((choice, chosen)) = self.before.pop() {
            self.choice = choice;
            self.chosen = chosen;
        }
    }

    /// To all of a kind.
    fn turn_to(&mut self, view: View) {
        self.choice = Choice { filter: std::mem::take(&mut self.choice.filter), ..Choice::of(view) };
        self.before.clear();
        self.chosen = None;
        self.first = 0;
    }
}

fn faster(interval: f64) -> f64 {
    INTERVALS.into_iter().rev().find(|known| *known < interval).unwrap_or(interval)
}

fn slower(interval: f64) -> f64 {
    INTERVALS.into_iter().find(|known| *known > interval).unwrap_or(interval)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::top::table::tests::looks;
    use crate::top::table::{Column, rows};

    fn app() -> App {
        App::new(Choice::of(View::Processes), 1.0)
    }

    /// Presses keys as on a screen with a page of one row.
    fn press(app: &mut App, keys: &[Key]) -> Effect {
        let (before, now) = looks();
        let mut effect = Effect::Draw;
        for key in keys {
            let rows = rows(Some(&before), &now, &app.choice);
            effect = app.press(*key, &rows, 1);
        }
        effect
    }

    #[test]
    fn enter_goes_down_and_escape_comes_back_to_the_same_row() {
        let mut app = app();
        press(&mut app, &[Key::Enter]);
        assert_eq!((app.choice.view, app.choice.scope.process.is_some()), (View::Sockets, true));
        press(&mut app, &[Key::Char('j'), Key::Char('c')]);
        assert_eq!((app.choice.view, app.choice.scope.socket), (View::Counters, Some(8)));
        press(&mut app, &[Key::Escape]);
        assert_eq!((app.choice.view, app.chosen.clone().unwrap().socket), (View::Sockets, Some(8)));
        press(&mut app, &[Key::Up, Key::Enter, Key::Enter]);
        assert_eq!((app.choice.view, app.choice.scope.connection), (View::Counters, Some(12)));
        press(&mut app, &[Key::Enter, Key::Backspace, Key::Escape, Key::Escape, Key::Escape]);
        assert_eq!((app.choice.view, app.choice.scope.process), (View::Processes, None));
    }

    #[test]
    fn the_filter_is_typed_and_taken_away() {
        let mut app = app();
        let typed = [
            Key::Char('2'),
            Key::Char('/'),
            Key::Char('q'),
            Key::Backspace,
            Key::Char('p'),
            Key::Char('u'),
            Key::Char('l'),
        ];
        assert_eq!(press(&mut app, &typed), Effect::Draw);
        assert_eq!((app.mode, app.choice.filter.as_str()), (Mode::Filter, "pul"));
        press(&mut app, &[Key::Enter, Key::Tab]);
        assert_eq!(
            (app.mode, app.choice.view, app.choice.filter.as_str()),
            (Mode::Table, View::Connections, "pul")
        );
        press(&mut app, &[Key::Escape]);
        assert_eq!(app.choice.filter, "");
        press(&mut app, &[Key::Char('/'), Key::Char('x'), Key::Escape]);
        assert_eq!((app.mode, app.choice.filter.as_str()), (Mode::Table, ""));
        press(&mut app, &[Key::Char('/')]);
        press(&mut app, &[Key::Char('x'); 200]);
        assert_eq!(app.choice.filter.len(), MAX_FILTER_CHARS);
        assert_eq!(press(&mut app, &[Key::Interrupt]), Effect::Quit);
    }

    #[test]
    fn keys_sort_pause_and_quit() {
        let mut app = app();
        press(&mut app, &[Key::Char('2'), Key::Right, Key::Char('r')]);
        assert_eq!((app.choice.sort, app.choice.is_reversed), (Column::Received, true));
        press(&mut app, &[Key::Left; 30]);
        assert_eq!((app.choice.sort, app.choice.is_reversed), (Column::Pid, false));
        assert_eq!(press(&mut app, &[Key::Char('p')]), Effect::Draw);
        assert!(app.is_paused);
        assert_eq!(press(&mut app, &[Key::Char(' ')]), Effect::Look);
        press(&mut app, &[Key::Char('+')]);
        assert_eq!(app.interval, 0.5);
        press(&mut app, &[Key::Char('-'); 30]);
        assert_eq!(app.interval, 30.0);
        press(&mut app, &[Key::Char('?')]);
        assert_eq!(app.mode, Mode::Help);
        // Any key leaves the help, also this one.
        assert_eq!(press(&mut app, &[Key::Char('q')]), Effect::Draw);
        assert_eq!(press(&mut app, &[Key::Char('q')]), Effect::Quit);
    }

    #[test]
    fn keys_do_no_harm_where_there_are_no_rows() {
        let mut app = app();
        let keys = [
            Key::Up,
            Key::Down,
            Key::PageUp,
            Key::PageDown,
            Key::Home,
            Key::End,
            Key::Enter,
            Key::Char('c'),
            Key::Escape,
        ];
        for key in keys {
            app.press(key, &[], 0);
            app.scroll(&[], 0);
        }
        assert_eq!((app.choice.view, app.first), (View::Processes, 0));
    }

    #[test]
    fn the_chosen_row_is_in_the_window() {
        let (before, now) = looks();
        let mut app = App::new(Choice::of(View::Counters), 1.0);
        app.choice.scope.process = now.processes.first().map(|process| (process.pid, process.started));
        app.choice.scope.socket = Some(7);
        let rows = rows(Some(&before), &now, &app.choice);
        assert!(rows.len() > 8);
        for (key, first) in [
            (Key::End, rows.len() - 5),
            (Key::Up, rows.len() - 5),
            (Key::PageUp, rows.len() - 7),
            (Key::Home, 0),
        ] {
            app.press(key, &rows, 5);
            app.scroll(&rows, 5);
            assert_eq!(app.first, first, "{key:?}");
        }
    }
}
