//! Rows as lines of text with a given width. Pure.

use super::table::{Choice, Column, Row};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The columns that are shown, with their widths.
pub struct Grid {
    columns: Vec<(usize, Column, usize)>,
}

impl Grid {
    /// For a screen of this width. What is left over goes to the columns that can use it.
    pub fn for_screen(choice: &Choice, width: usize) -> Grid {
        let all = choice.view.columns().iter().copied().enumerate();
        let mut shown: Vec<(usize, Column, usize)> = all
            .filter(|(_, column)| column.minimum_screen() <= width)
            .map(|(index, column)| (index, column, column.width()))
            .collect();
        let taken = |shown: &[(usize, Column, usize)]| {
            shown.iter().map(|(_, _, width)| width).sum::<usize>() + shown.len().saturating_sub(1)
        };
        // On a very narrow screen the last ones go.
        while taken(&shown) > width && shown.len() > 1 {
            shown.pop();
        }
        let left = width.saturating_sub(taken(&shown));
        let shares = shown.iter().map(|(_, column, _)| column.share()).sum::<usize>();
        for (_, column, width) in &mut shown {
            *width += (left * column.share()).checked_div(shares).unwrap_or(0);
        }
        Grid { columns: shown }
    }

    /// All columns, as wide as what stands in them.
    pub fn for_rows(choice: &Choice, rows: &[Row]) -> Grid {
        let all = choice.view.columns().iter().copied().enumerate();
        let width = |index: usize, column: Column| {
            let widths = rows.iter().filter_map(|row| Some(row.cells.get(index)?.text().width()));
            widths.fold(column.title().len(), usize::max)
        };
        Grid { columns: all.map(|(index, column)| (index, column, width(index, column))).collect() }
    }

    /// The titles, with whether the table is sorted by the column.
    pub fn head(&self, choice: &Choice) -> Vec<(String, bool)> {
        let title = |(_, column, width): &(usize, Column, usize)| {
            (fitted(column.title(), *width, column.is_text()), *column == choice.sort)
        };
        self.columns.iter().map(title).collect()
    }

    pub fn line(&self, row: &Row) -> String {
        let cell = |(index, column, width): &(usize, Column, usize)| {
            let text = row.cells.get(*index).map(super::table::Cell::text).unwrap_or_default();
            fitted(&text, *width, column.is_text())
        };
        self.columns.iter().map(cell).collect::<Vec<_>>().join(" ")
    }
}

/// A text of exactly this width on the screen: filled up, or cut with a mark where it is cut.
pub fn fitted(text: &str, width: usize, is_text: bool) -> String {
    let taken = text.width();
    if taken <= width {
        let blanks = " ".repeat(width - taken);
        return if is_text { format!("{text}{blanks}") } else { format!("{blanks}{text}") };
    }
    let mut cut = String::new();
    let mut taken = 0;
    for character in text.chars() {
        let next = taken + character.width().unwrap_or(0);
        if next + 1 > width {
            break;
        }
        taken = next;
        cut.push(character);
    }
    if width > taken {
        cut.push('~');
        taken += 1;
    }
    cut.push_str(&" ".repeat(width.saturating_sub(taken)));
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::table::tests::looks;
    use crate::top::table::{View, rows};

    fn head(grid: &Grid, choice: &Choice) -> String {
        grid.head(choice).into_iter().map(|title| title.0).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn lines_are_as_wide_as_the_screen() {
        let (before, now) = looks();
        for view in [View::Processes, View::Sockets, View::Connections, View::Counters] {
            let choice = Choice::of(view);
            let rows = rows(Some(&before), &now, &choice);
            for width in [80, 81, 99, 100, 132, 200] {
                let grid = Grid::for_screen(&choice, width);
                let lines: Vec<String> = std::iter::once(head(&grid, &choice))
                    .chain(rows.iter().map(|row| grid.line(row)))
                    .collect();
                let longest = lines.iter().map(|line| line.width()).max();
                assert!(lines.iter().all(|line| line.width() >= width - 3), "{view:?} {width}: {lines:?}");
                assert!(longest <= Some(width), "{view:?} {width}: {lines:?}");
            }
            for width in [0, 1, 10, 40] {
                assert!(!Grid::for_screen(&choice, width).columns.is_empty());
            }
        }
    }

    #[test]
    fn everything_is_shown_where_there_is_no_screen() {
        let (before, now) = looks();
        let choice = Choice::of(View::Sockets);
        let rows = rows(Some(&before), &now, &choice);
        let grid = Grid::for_rows(&choice, &rows);
        let lines: Vec<String> = rows.iter().map(|row| grid.line(row)).collect();
        assert!(lines.iter().any(|line| line.contains("tcp://127.0.0.1:5555 inproc://a")), "{lines:?}");
        assert!(lines.iter().any(|line| line.contains("conflate 12, high_water_mark 5")), "{lines:?}");
        let sorted: Vec<String> =
            grid.head(&choice).into_iter().filter(|title| title.1).map(|title| title.0).collect();
        assert_eq!(sorted, ["SENT/s"]);
    }

    #[test]
    fn texts_are_filled_up_or_cut() {
        assert_eq!(fitted("ab", 4, true), "ab  ");
        assert_eq!(fitted("12", 4, false), "  12");
        assert_eq!(fitted("abcdef", 4, true), "abc~");
        // Wide characters are not cut in half.
        assert_eq!(fitted("日本語", 4, true), "日~ ");
        assert_eq!((fitted("ab", 0, true), fitted("ab", 1, true)), (String::new(), "~".to_owned()));
    }
}
