//! Draws the table, and what is to be known of the chosen row.

use super::app::{App, HELP, Mode};
use super::line::{Grid, fitted};
use super::table::{Row, Tone, View};
use crate::audit::printable;
use crate::stats::Observation;
use jiff::{Timestamp, tz::TimeZone};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};
use std::path::Path;

/// Below this height the screen belongs to the table alone.
const MIN_DETAILS_SCREEN: u16 = 16;
const DETAILS_LINES: u16 = 7;

/// What titles of columns stand for.
const TITLES: [(&str, &str); 5] = [
    ("SENT/s, RECV/s", "messages a second; B-OUT/s, B-IN/s: bytes"),
    ("Q-OUT, Q-IN", "messages that wait to be sent, to be received"),
    ("Q-MAX", "the most that one queue has held so far"),
    ("DROP/s, DROPS", "messages that did not arrive; below the table: why"),
    ("HSHAKE, HS-FAIL", "time of the handshake; handshakes that failed"),
];

/// What is drawn.
pub struct Picture<'a> {
    pub folder: &'a Path,
    pub now: &'a Observation,
    pub rows: &'a [Row],
    /// Lines on the chosen row.
    pub details: &'a [String],
    /// What went wrong with the folder.
    pub trouble: Option<&'a str>,
    pub has_colours: bool,
}

/// How many rows of the table fit.
pub fn page(height: u16) -> usize {
    let details = if height >= MIN_DETAILS_SCREEN { DETAILS_LINES + 1 } else { 0 };
    usize::from(height.saturating_sub(3 + details))
}

pub fn draw(frame: &mut Frame, app: &mut App, picture: &Picture) {
    let area = frame.area();
    let details = if area.height >= MIN_DETAILS_SCREEN { DETAILS_LINES + 1 } else { 0 };
    let lengths = [Constraint::Length(1), Constraint::Length(1), Constraint::Fill(1)];
    let parts = [lengths.as_slice(), &[Constraint::Length(details), Constraint::Length(1)]].concat();
    let parts = Layout::vertical(parts).split(area);
    let [top, head, body, below, bottom] = parts[..] else { return };
    let width = usize::from(area.width);
    let look = Look { has_colours: picture.has_colours };
    frame.render_widget(Line::styled(fitted(&title(app, picture), width, true), look.title()), top);
    let grid = Grid::for_screen(&app.choice, width);
    frame.render_widget(titles(&grid, app, &look), head);
    table(frame, body, app, picture, &grid, &look);
    if details > 0 {
        let rule = Line::styled("-".repeat(width), look.faint());
        let lines = picture.details.iter().take(usize::from(DETAILS_LINES));
        let lines = lines.map(|line| Line::raw(fitted(&printable(line), width, true)));
        frame.render_widget(Paragraph::new(std::iter::once(rule).chain(lines).collect::<Vec<_>>()), below);
    }
    frame.render_widget(foot(app, picture, width, &look), bottom);
    if app.mode == Mode::Help {
        help(frame, area);
    }
}

fn title(app: &App, picture: &Picture) -> String {
    let processes = &picture.now.processes;
    let sockets: usize = processes.iter().map(|process| process.sockets.len()).sum();
    let connections: usize =
        processes.iter().flat_map(|process| &process.sockets).map(|socket| socket.connections.len()).sum();
    let count =
        |number: usize, one: &str, many: &str| format!("{number} {}", if number == 1 { one } else { many });
    let time = Timestamp::from_millisecond((picture.now.time * 1000.0) as i64).unwrap_or_default();
    let time = TimeZone::system().to_datetime(time).strftime("%H:%M:%S").to_string();
    let pause = if app.is_paused { "  PAUSED" } else { "" };
    format!(
        "{time}{pause}  every {}s  {}  {}  {}  {}",
        app.interval,
        count(processes.len(), "process", "processes"),
        count(sockets, "socket", "sockets"),
        count(connections, "connection", "connections"),
        picture.folder.display(),
    )
}

fn titles(grid: &Grid, app: &App, look: &Look) -> Line<'static> {
    let mut spans = Vec::new();
    for (title, is_sorted) in grid.head(&app.choice) {
        if !spans.is_empty() {
            spans.push(Span::styled(" ", look.head(false)));
        }
        spans.push(Span::styled(title, look.head(is_sorted)));
    }
    Line::from(spans)
}

fn table(frame: &mut Frame, area: Rect, app: &mut App, picture: &Picture, grid: &Grid, look: &Look) {
    let height = usize::from(area.height);
    app.scroll(picture.rows, height);
    let place = app.place(picture.rows);
    let shown = picture.rows.iter().enumerate().skip(app.first).take(height);
    let lines: Vec<Line> = shown
        .map(|(index, row)| {
            let line = fitted(&grid.line(row), usize::from(area.width), true);
            Line::styled(line, look.row(row.tone, index == place))
        })
        .collect();
    match lines.is_empty() {
        true => frame.render_widget(Paragraph::new(nothing(app, picture)), area),
        false => frame.render_widget(Paragraph::new(lines), area),
    }
}

/// Why the table is empty.
fn nothing(app: &App, picture: &Picture) -> String {
    if picture.now.processes.is_empty() {
        let folder = picture.folder.display();
        return format!(
            "No process writes its counters into {folder}.\nStart one with: ferrozmq run --stats {folder} PROGRAM"
        );
    }
    match app.choice.view {
        _ if !app.choice.filter.is_empty() => {
            "No row holds all words of the filter. Esc takes it away.".to_owned()
        }
        View::Connections => "No connections.".to_owned(),
        View::Sockets => "No sockets.".to_owned(),
        View::Processes | View::Counters => "It is not there any more. Esc goes back.".to_owned(),
    }
}

fn foot(app: &App, picture: &Picture, width: usize, look: &Look) -> Line<'static> {
    let filter = &app.choice.filter;
    if app.mode == Mode::Filter {
        return Line::raw(fitted(
            &format!("Filter: {filter}_   enter: keep it, esc: take it away"),
            width,
            true,
        ));
    }
    let problem = picture.trouble.or(picture.now.problems.first().map(String::as_str));
    if let Some(problem) = problem {
        let more = picture.now.problems.len().saturating_sub(1);
        let more = if more > 0 { format!(" ({more} more)") } else { String::new() };
        return Line::styled(
            fitted(&format!("{}{more}", printable(problem)), width, true),
            look.row(Tone::Alarm, false),
        );
    }
    let keys = "enter open  esc back  c counters  < > sort  / filter  p pause  ? help  q quit";
    let filter = if filter.is_empty() { String::new() } else { format!("[{filter}]  ") };
    Line::styled(fitted(&format!("{filter}{keys}"), width, true), look.faint())
}

fn help(frame: &mut Frame, area: Rect) {
    let lines: Vec<Line> = std::iter::once(Line::raw(""))
        .chain(HELP.iter().map(|(keys, what)| Line::raw(format!("  {keys:<18} {what}"))))
        .chain([Line::raw("")])
        .chain(TITLES.iter().map(|(titles, what)| Line::raw(format!("  {titles:<18} {what}"))))
        .chain([Line::raw("")])
        .chain([Line::raw("  Any key goes back.")])
        .collect();
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines), area);
}

/// Styles. Without colours they say less, but nothing is lost: what an alarm is about stands in the columns.
struct Look {
    has_colours: bool,
}

impl Look {
    fn title(&self) -> Style {
        if self.has_colours { Style::new().fg(Color::White).bg(Color::Blue) } else { Style::new() }
    }

    /// The title of the column that the table is sorted by stands out.
    fn head(&self, is_sorted: bool) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED);
        if is_sorted { style.add_modifier(Modifier::REVERSED) } else { style }
    }

    fn faint(&self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    fn row(&self, tone: Tone, is_chosen: bool) -> Style {
        let style = match tone {
            Tone::Plain => Style::new(),
            Tone::Alarm if self.has_colours => Style::new().fg(Color::Red),
            Tone::Alarm => Style::new().add_modifier(Modifier::BOLD),
            Tone::Faint => self.faint(),
        };
        if is_chosen { style.add_modifier(Modifier::REVERSED) } else { style }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::top::app::Key;
    use crate::top::table::tests::looks;
    use crate::top::table::{Choice, rows};
    use crate::top::{details, table};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    /// The lines of a screen after some keys.
    fn screen(width: u16, height: u16, keys: &[Key], spoil: impl Fn(&mut Observation)) -> Vec<String> {
        let (before, mut now) = looks();
        spoil(&mut now);
        let mut app = App::new(Choice::of(View::Sockets), 1.0);
        for key in keys {
            let rows = rows(Some(&before), &now, &app.choice);
            app.press(*key, &rows, page(height));
        }
        let rows = table::rows(Some(&before), &now, &app.choice);
        let chosen = rows.get(app.place(&rows)).map(|row| row.subject.clone()).unwrap_or_default();
        let details = details::lines(Some(&before), &now, &chosen);
        let folder = Path::new("/run/ferrozmq");
        let picture =
            Picture { folder, now: &now, rows: &rows, details: &details, trouble: None, has_colours: true };
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, &mut app, &picture)).unwrap();
        let buffer = terminal.backend().buffer();
        let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..height).map(line).collect()
    }

    #[test]
    fn eighty_columns_show_what_matters() {
        let lines = screen(80, 24, &[], |_| {});
        let text = lines.join("\n");
        assert!(lines[0].contains("every 1s  1 process  2 sockets  1 connection  /run/ferrozmq"), "{text}");
        assert!(lines[1].starts_with("    PID TYPE   ENDPOINT"), "{text}");
        assert!(
            lines[2].contains("PUSH   tcp://127.0.0.1:555~     1     50      0    13     2      5    17"),
            "{text}"
        );
        assert!(text.contains("dropped: conflate 12, high_water_mark 5 (5/s)"), "{text}");
        assert!(text.contains("waiting to be sent 13 (at most 25 so far), to be received 2"), "{text}");
        assert!(lines[23].contains("q quit"), "{text}");
    }

    #[test]
    fn every_size_is_drawn() {
        for (width, height) in [(1, 1), (5, 3), (20, 5), (79, 15), (80, 16), (300, 90)] {
            for keys in [&[][..], &[Key::Char('3')], &[Key::Char('c')], &[Key::Char('?')], &[Key::Char('/')]]
            {
                screen(width, height, keys, |_| {});
                screen(width, height, keys, |now| now.processes.clear());
            }
        }
    }

    #[test]
    fn an_empty_folder_says_what_to_do() {
        let lines = screen(80, 24, &[], |now| now.processes.clear());
        assert!(
            lines.iter().any(|line| line.contains("ferrozmq run --stats /run/ferrozmq PROGRAM")),
            "{lines:#?}"
        );
    }

    #[test]
    fn files_that_cannot_be_read_are_told() {
        let lines = screen(80, 24, &[], |now| now.problems = vec!["a\u{1b}[2J".to_owned(), "b".to_owned()]);
        assert!(lines[23].starts_with("a\\u{1b}[2J (1 more)"), "{lines:#?}");
    }
}
