//! The tables: which columns there are, what stands in them, in which order. Pure: two looks at the counters in, rows out.

use super::rates::Rates;
use crate::audit::printable;
use crate::stats::Observation;
use crate::stats::layout::{Form, Record};
use crate::stats::process::State;
use crate::stats::tree::{Connection, Process, Queue, Socket};
use crate::units;
use clap::ValueEnum;
use std::cmp::Ordering;

/// What the rows of a table are about.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum View {
    Processes,
    Sockets,
    Connections,
    /// All counters of one process, socket or connection.
    #[value(skip)]
    Counters,
}

impl View {
    pub fn columns(self) -> &'static [Column] {
        use Column::*;
        match self {
            View::Processes => {
                &[Pid, Name, State, Age, Sockets, Connections, Sent, Received, ToSend, ToReceive, Dropped]
            }
            View::Sockets => &[
                Pid,
                Type,
                Endpoint,
                Connections,
                Sent,
                Received,
                ToSend,
                ToReceive,
                DropRate,
                Dropped,
                SentBytes,
                ReceivedBytes,
                Deepest,
                Failures,
                Id,
                Why,
            ],
            View::Connections => &[
                Pid,
                Type,
                Peer,
                Mechanism,
                User,
                Sent,
                Received,
                ToSend,
                ToReceive,
                Handshake,
                Deepest,
                SentBytes,
                ReceivedBytes,
                Id,
                Endpoint,
            ],
            View::Counters => &[Counter, Value, Rate, Help],
        }
    }
}

/// A column of one or several tables.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Column {
    Pid,
    Name,
    State,
    Age,
    Sockets,
    Connections,
    Type,
    Endpoint,
    Peer,
    Mechanism,
    User,
    Sent,
    Received,
    SentBytes,
    ReceivedBytes,
    ToSend,
    ToReceive,
    Deepest,
    DropRate,
    Dropped,
    Failures,
    Handshake,
    Id,
    Why,
    Counter,
    Value,
    Rate,
    Help,
}

/// Title, characters, how much of what is left over it takes, and the width of the screen from which on it is shown.
struct Shape(&'static str, usize, usize, usize);

impl Column {
    fn shape(self) -> Shape {
        match self {
            Column::Pid => Shape("PID", 7, 0, 0),
            Column::Name => Shape("NAME", 12, 1, 0),
            Column::State => Shape("STATE", 7, 0, 0),
            Column::Age => Shape("AGE", 5, 0, 0),
            Column::Sockets => Shape("SOCK", 4, 0, 0),
            Column::Connections => Shape("CONN", 5, 0, 0),
            Column::Type => Shape("TYPE", 6, 0, 0),
            Column::Endpoint => Shape("ENDPOINT", 14, 3, 0),
            Column::Peer => Shape("PEER", 14, 3, 0),
            Column::Mechanism => Shape("MECH", 5, 0, 0),
            Column::User => Shape("USER", 6, 1, 0),
            Column::Sent => Shape("SENT/s", 6, 0, 0),
            Column::Received => Shape("RECV/s", 6, 0, 0),
            Column::SentBytes => Shape("B-OUT/s", 7, 0, 100),
            Column::ReceivedBytes => Shape("B-IN/s", 6, 0, 100),
            Column::ToSend => Shape("Q-OUT", 5, 0, 0),
            Column::ToReceive => Shape("Q-IN", 5, 0, 0),
            Column::Deepest => Shape("Q-MAX", 5, 0, 110),
            Column::DropRate => Shape("DROP/s", 6, 0, 0),
            Column::Dropped => Shape("DROPS", 5, 0, 0),
            Column::Failures => Shape("HS-FAIL", 7, 0, 120),
            Column::Handshake => Shape("HSHAKE", 6, 0, 90),
            Column::Id => Shape("ID", 6, 0, 130),
            Column::Why => Shape("WHY", 10, 2, 140),
            Column::Counter => Shape("COUNTER", 30, 0, 0),
            Column::Value => Shape("VALUE", 12, 0, 0),
            Column::Rate => Shape("PER s", 7, 0, 0),
            Column::Help => Shape("WHAT IT IS", 10, 1, 0),
        }
    }

    pub fn title(self) -> &'static str {
        self.shape().0
    }

    /// Without what it takes of the rest.
    pub fn width(self) -> usize {
        self.shape().1
    }

    /// Its share of what is left over.
    pub fn share(self) -> usize {
        self.shape().2
    }

    /// The width of the screen from which on it is shown.
    pub fn minimum_screen(self) -> usize {
        self.shape().3
    }

    pub fn is_text(self) -> bool {
        use Column::*;
        matches!(self, Name | State | Type | Endpoint | Peer | Mechanism | User | Why | Counter | Help)
    }
}

/// What stands in a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Text(String),
    /// As it is: an id.
    Whole(u64),
    Count(Option<f64>),
    Bytes(Option<f64>),
    Seconds(Option<f64>),
    /// Seconds of a long time.
    Age(f64),
}

impl Cell {
    pub fn text(&self) -> String {
        let short =
            |number: &Option<f64>, unit: fn(f64) -> String| number.map_or_else(|| "-".to_owned(), unit);
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Whole(number) => number.to_string(),
            Cell::Count(number) => short(number, units::count),
            Cell::Bytes(number) => short(number, units::bytes),
            Cell::Seconds(number) => short(number, units::seconds),
            Cell::Age(number) => units::age(*number),
        }
    }

    /// The order of a column: by size, with what is not known first.
    fn compare(&self, other: &Cell) -> Ordering {
        let number = |cell: &Cell| match cell {
            Cell::Text(_) => None,
            Cell::Whole(number) => Some(*number as f64),
            Cell::Age(number) => Some(*number),
            Cell::Count(number) | Cell::Bytes(number) | Cell::Seconds(number) => *number,
        };
        match (self, other) {
            (Cell::Text(one), Cell::Text(other)) => one.cmp(other),
            _ => number(self).unwrap_or(-1.0).total_cmp(&number(other).unwrap_or(-1.0)),
        }
    }
}

/// What a row is about. It stays the same from look to look.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Subject {
    /// Process id and start.
    pub process: Option<(u64, u64)>,
    pub socket: Option<u64>,
    pub connection: Option<u64>,
    pub counter: Option<String>,
}

/// What catches the eye.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tone {
    Plain,
    /// Messages are dropped at this time.
    Alarm,
    /// The process has gone.
    Faint,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub subject: Subject,
    /// One for each column of the view.
    pub cells: Vec<Cell>,
    pub tone: Tone,
    /// Everything that the filter looks at, in lower case.
    text: String,
}

/// Which rows, and in which order.
#[derive(Clone, Debug)]
pub struct Choice {
    pub view: View,
    /// Only what belongs to it.
    pub scope: Subject,
    pub filter: String,
    pub sort: Column,
    pub is_reversed: bool,
}

impl Choice {
    pub fn of(view: View) -> Choice {
        let sort = match view {
            View::Counters => Column::Counter,
            View::Processes | View::Sockets | View::Connections => Column::Sent,
        };
        Choice { view, scope: Subject::default(), filter: String::new(), sort, is_reversed: false }
    }
}

/// The rows of a view, sorted. Numbers begin with the largest, texts with the first of the alphabet.
pub fn rows(before: Option<&Observation>, now: &Observation, choice: &Choice) -> Vec<Row> {
    let rates = Rates::between(before, now);
    let scope = &choice.scope;
    let mut rows = Vec::new();
    let in_scope =
        |process: &&Process| scope.process.is_none_or(|known| known == (process.pid, process.started));
    for process in now.processes.iter().filter(in_scope) {
        let look = Look { rates: &rates, process, now: now.time };
        match choice.view {
            View::Processes => rows.push(look.process()),
            View::Sockets => rows.extend(process.sockets.iter().map(|socket| look.socket(socket))),
            View::Connections => {
                let sockets = process.sockets.iter();
                for socket in
                    sockets.filter(|socket| scope.socket.is_none_or(|known| known == socket.record.serial))
                {
                    rows.extend(
                        socket.connections.iter().map(|connection| look.connection(socket, connection)),
                    );
                }
            }
            View::Counters => rows.extend(look.counters(scope)),
        }
    }
    let filter = choice.filter.to_lowercase();
    rows.retain(|row| filter.split_whitespace().all(|word| row.text.contains(word)));
    sort(&mut rows, choice);
    rows
}

/// Rows that are alike in the column keep their order, so that they stand still from look to look.
fn sort(rows: &mut [Row], choice: &Choice) {
    let Some(index) = choice.view.columns().iter().position(|column| *column == choice.sort) else { return };
    let is_falling = choice.sort.is_text() == choice.is_reversed;
    rows.sort_by(|one, other| {
        let order = match (one.cells.get(index), other.cells.get(index)) {
            (Some(one), Some(other)) => one.compare(other),
            _ => Ordering::Equal,
        };
        if is_falling { order.reverse() } else { order }
    });
}

/// A process at one time.
struct Look<'a> {
    rates: &'a Rates<'a>,
    process: &'a Process,
    now: f64,
}

impl Look<'_> {
    fn row(&self, subject: Subject, view: View, is_alarm: bool, cell: impl Fn(Column) -> Cell) -> Row {
        let cells: Vec<Cell> = view.columns().iter().map(|column| cell(*column)).collect();
        let texts = cells.iter().filter(|cell| matches!(cell, Cell::Text(_) | Cell::Whole(_)));
        let text = texts.map(Cell::text).collect::<Vec<_>>().join(" ").to_lowercase();
        let text = format!("{text} {}", self.process.name.to_lowercase());
        let tone = match self.process.state {
            State::Gone | State::Zombie => Tone::Faint,
            _ if is_alarm => Tone::Alarm,
            _ => Tone::Plain,
        };
        Row { subject, cells, tone, text }
    }

    fn subject(&self) -> Subject {
        Subject { process: Some((self.process.pid, self.process.started)), ..Subject::default() }
    }

    fn process(&self) -> Row {
        let process = self.process;
        let sockets = || process.sockets.iter();
        let sum = |name: &str| total(sockets().map(|socket| self.rates.of(process, &socket.record, name)));
        let queued = |queue: fn(&Socket) -> Queue| sockets().map(|socket| queue(socket).now as f64).sum();
        let dropped = sockets().map(|socket| socket.dropped_in_all() as f64).sum();
        let is_dropping = sockets().any(|socket| self.is_dropping(socket));
        self.row(self.subject(), View::Processes, is_dropping, |column| match column {
            Column::Pid => Cell::Whole(process.pid),
            Column::Name => text(&process.name),
            Column::State => text(process.state.word()),
            Column::Age => Cell::Age(self.now - process.opened),
            Column::Sockets => Cell::Count(Some(process.sockets.len() as f64)),
            Column::Connections => {
                Cell::Count(Some(sockets().map(|socket| socket.connections.len() as f64).sum()))
            }
            Column::Sent => Cell::Count(sum("messages_sent")),
            Column::Received => Cell::Count(sum("messages_received")),
            Column::ToSend => Cell::Count(Some(queued(|socket| socket.to_send))),
            Column::ToReceive => Cell::Count(Some(queued(|socket| socket.to_receive))),
            _ => Cell::Count(Some(dropped)),
        })
    }

    fn is_dropping(&self, socket: &Socket) -> bool {
        self.rates.dropped(self.process, socket).is_some_and(|rate| rate > 0.0)
    }

    fn socket(&self, socket: &Socket) -> Row {
        let record = &socket.record;
        let rate = |name| self.rates.of(self.process, record, name);
        let subject = Subject { socket: Some(record.serial), ..self.subject() };
        let failures = || record.numbers().filter(|(field, _)| field.name.starts_with("handshakes_failed"));
        self.row(subject, View::Sockets, self.is_dropping(socket), |column| match column {
            Column::Pid => Cell::Whole(self.process.pid),
            Column::Type => text(record.text("type")),
            Column::Endpoint => text(record.text("endpoints")),
            Column::Connections => Cell::Count(Some(socket.connections.len() as f64)),
            Column::Sent => Cell::Count(rate("messages_sent")),
            Column::Received => Cell::Count(rate("messages_received")),
            Column::SentBytes => Cell::Bytes(rate("bytes_sent")),
            Column::ReceivedBytes => Cell::Bytes(rate("bytes_received")),
            Column::ToSend => Cell::Count(Some(socket.to_send.now as f64)),
            Column::ToReceive => Cell::Count(Some(socket.to_receive.now as f64)),
            Column::Deepest => Cell::Count(Some(socket.to_send.max.max(socket.to_receive.max) as f64)),
            Column::DropRate => Cell::Count(self.rates.dropped(self.process, socket)),
            Column::Dropped => Cell::Count(Some(socket.dropped_in_all() as f64)),
            Column::Failures => Cell::Count(Some(failures().map(|(_, number)| number as f64).sum())),
            Column::Id => Cell::Whole(record.serial),
            _ => text(&why(socket)),
        })
    }

    fn connection(&self, socket: &Socket, connection: &Connection) -> Row {
        let record = &connection.record;
        let rate = |name| self.rates.of(self.process, record, name);
        let subject =
            Subject { socket: Some(socket.record.serial), connection: Some(record.serial), ..self.subject() };
        self.row(subject, View::Connections, false, |column| match column {
            Column::Pid => Cell::Whole(self.process.pid),
            Column::Type => text(socket.record.text("type")),
            Column::Peer => text(record.text("peer")),
            Column::Mechanism => text(record.text("mechanism")),
            Column::User => text(record.text("user_id")),
            Column::Sent => Cell::Count(rate("messages_sent")),
            Column::Received => Cell::Count(rate("messages_received")),
            Column::SentBytes => Cell::Bytes(rate("bytes_sent")),
            Column::ReceivedBytes => Cell::Bytes(rate("bytes_received")),
            Column::ToSend => Cell::Count(Some(connection.to_send.now as f64)),
            Column::ToReceive => Cell::Count(Some(connection.to_receive.now as f64)),
            Column::Deepest => {
                Cell::Count(Some(connection.to_send.max.max(connection.to_receive.max) as f64))
            }
            Column::Handshake => Cell::Seconds(record.number("handshake_time").map(|ns| ns as f64 / 1e9)),
            Column::Id => Cell::Whole(record.serial),
            _ => text(record.text("endpoint")),
        })
    }

    /// The counters of what the scope names: a connection, else a socket, else a process with its contexts and I/O threads.
    fn counters(&self, scope: &Subject) -> Vec<Row> {
        let socket = self.process.sockets.iter().find(|socket| Some(socket.record.serial) == scope.socket);
        let connection = socket.and_then(|socket| {
            socket.connections.iter().find(|connection| Some(connection.record.serial) == scope.connection)
        });
        match (connection, socket) {
            (Some(connection), _) => self.counters_of(&connection.record, scope),
            (None, Some(socket)) if scope.connection.is_none() => self.counters_of(&socket.record, scope),
            (None, None) if scope.socket.is_none() => {
                self.process.parts.iter().flat_map(|part| self.counters_of(part, scope)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn counters_of(&self, record: &Record, scope: &Subject) -> Vec<Row> {
        let numbers = record.numbers();
        let row = |(field, number): (&crate::stats::layout::Field, u64)| {
            let name = match field.form {
                Form::Bucket(bound) => format!("{} <= {bound}", field.name),
                _ => field.name.clone(),
            };
            let rate = match field.form {
                Form::Counter => self.rates.of(self.process, record, &field.name),
                _ => None,
            };
            let subject = Subject { counter: Some(format!("{} {name}", record.serial)), ..scope.clone() };
            self.row(subject, View::Counters, false, |column| match column {
                Column::Counter => text(&name),
                Column::Value if field.unit == "nanoseconds" && field.form == Form::Gauge => {
                    Cell::Seconds(Some(number as f64 / 1e9))
                }
                Column::Value => Cell::Whole(number),
                Column::Rate => Cell::Count(rate),
                _ => text(&field.help),
            })
        };
        numbers.map(row).collect()
    }
}

/// Why messages were dropped, the most frequent reason first.
pub fn why(socket: &Socket) -> String {
    let mut reasons: Vec<(&str, u64)> = socket.dropped().filter(|(_, number)| *number > 0).collect();
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.1));
    let words =
        reasons.into_iter().map(|(reason, number)| format!("{reason} {}", units::count(number as f64)));
    words.collect::<Vec<_>>().join(", ")
}

/// The sum of those that are known; nothing if none is.
fn total(rates: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    rates.flatten().fold(None, |sum, rate| Some(sum.unwrap_or(0.0) + rate))
}

/// A peer has chosen some of the texts. They are shown without control characters.
fn text(text: &str) -> Cell {
    Cell::Text(printable(text).into_owned())
}

#[cfg(test)]
pub mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::stats::tree::tests::process;
    use crate::stats::written::Written;

    /// Two looks, two seconds apart, between which the first socket has sent 100 messages more and dropped 10 more.
    pub fn looks() -> (Observation, Observation) {
        let mut before = process(&Written::example());
        let mut now = before.clone();
        before.name = "orders".to_owned();
        now.name = "orders".to_owned();
        for (name, count) in [("messages_sent", 100), ("bytes_sent", 4096), ("dropped_conflate", 10)] {
            now.sockets.first_mut().unwrap().record.add(name, count);
        }
        let look = |time, process| Observation { time, processes: vec![process], problems: Vec::new() };
        (look(1000.0, before), look(1002.0, now))
    }

    fn cell(row: &Row, view: View, column: Column) -> String {
        let place = view.columns().iter().position(|known| *known == column).unwrap();
        row.cells.get(place).unwrap().text()
    }

    #[test]
    fn rates_are_changes_by_the_time_between_the_looks() {
        let (before, now) = looks();
        let rows = rows(Some(&before), &now, &Choice::of(View::Sockets));
        let push = rows.first().unwrap();
        let shown = |column| cell(push, View::Sockets, column);
        assert_eq!(shown(Column::Sent), "50");
        assert_eq!(shown(Column::SentBytes), "2.0K");
        assert_eq!((shown(Column::DropRate), shown(Column::Dropped)), ("5".to_owned(), "17".to_owned()));
        assert_eq!((shown(Column::ToSend), shown(Column::Deepest)), ("13".to_owned(), "25".to_owned()));
        assert_eq!(shown(Column::Why), "conflate 12, high_water_mark 5");
        assert_eq!(push.tone, Tone::Alarm);
        assert_eq!(cell(rows.get(1).unwrap(), View::Sockets, Column::Failures), "2");
    }

    #[test]
    fn what_was_not_there_before_has_no_rate() {
        let (mut before, now) = looks();
        before.processes.first_mut().unwrap().started += 1;
        for before in [Some(&before), None, Some(&now)] {
            let rows = rows(before, &now, &Choice::of(View::Sockets));
            assert_eq!(cell(rows.first().unwrap(), View::Sockets, Column::Sent), "-");
        }
    }

    #[test]
    fn a_count_that_falls_is_no_rate() {
        let (before, now) = looks();
        let (later, earlier) = (Observation { time: 1004.0, ..before }, now);
        let rows = rows(Some(&earlier), &later, &Choice::of(View::Sockets));
        assert_eq!(cell(rows.first().unwrap(), View::Sockets, Column::Sent), "0");
    }

    #[test]
    fn columns_sort_numbers_from_above_and_texts_from_a() {
        let (before, now) = looks();
        let first = |sort, is_reversed| {
            let choice = Choice { sort, is_reversed, ..Choice::of(View::Sockets) };
            cell(rows(Some(&before), &now, &choice).first().unwrap(), View::Sockets, Column::Type)
        };
        assert_eq!([first(Column::Sent, false), first(Column::Sent, true)], ["PUSH", "PULL"]);
        assert_eq!([first(Column::Type, false), first(Column::Type, true)], ["PULL", "PUSH"]);
        assert_eq!([first(Column::Received, false), first(Column::Id, true)], ["PUSH", "PUSH"]);
    }

    #[test]
    fn the_filter_wants_all_its_words() {
        let (before, now) = looks();
        let found = |filter: &str| {
            let choice = Choice { filter: filter.to_owned(), ..Choice::of(View::Sockets) };
            rows(Some(&before), &now, &choice).len()
        };
        assert_eq!([found(""), found("push"), found("ORDERS Pull"), found("inproc://a")], [2, 1, 1, 2]);
        assert_eq!([found("push pull"), found("sub")], [0, 0]);
    }

    #[test]
    fn each_level_leads_to_the_next() {
        let (before, now) = looks();
        let look = |choice: &Choice| rows(Some(&before), &now, choice);
        let into = |view, row: &Row| Choice { scope: row.subject.clone(), ..Choice::of(view) };
        let processes = look(&Choice::of(View::Processes));
        assert_eq!(cell(processes.first().unwrap(), View::Processes, Column::Sent), "50");
        let sockets = look(&into(View::Sockets, processes.first().unwrap()));
        assert_eq!(sockets.len(), 2);
        let connections = look(&into(View::Connections, sockets.first().unwrap()));
        let connection = connections.first().unwrap();
        assert_eq!(cell(connection, View::Connections, Column::Handshake), "640us");
        // What a peer has chosen comes without control characters.
        assert_eq!(cell(connection, View::Connections, Column::User), "al\\u{1b}[31mice");
        assert!(look(&into(View::Connections, sockets.get(1).unwrap())).is_empty());
        let counters = look(&into(View::Counters, sockets.first().unwrap()));
        let sent = counters
            .iter()
            .find(|row| cell(row, View::Counters, Column::Counter) == "messages_sent")
            .unwrap();
        assert_eq!(cell(sent, View::Counters, Column::Value), "248");
        assert_eq!(cell(sent, View::Counters, Column::Rate), "50");
        assert_eq!(look(&into(View::Counters, processes.first().unwrap())).len(), 1);
        assert!(look(&into(View::Counters, connection)).iter().any(|row| cell(
            row,
            View::Counters,
            Column::Counter
        ) == "future"));
    }

    #[test]
    fn processes_that_have_gone_are_faint() {
        let (before, mut now) = looks();
        now.processes.first_mut().unwrap().state = State::Gone;
        assert!(
            rows(Some(&before), &now, &Choice::of(View::Sockets)).iter().all(|row| row.tone == Tone::Faint)
        );
    }
}
