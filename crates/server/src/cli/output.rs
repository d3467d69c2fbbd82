//! What commands print: documents as JSON, or for people; and what went wrong.

use anyhow::Result;
use clap::Args;
use comfy_table::{Attribute, Cell as TableCell, Color, ContentArrangement, Table, presets};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

use super::explain::Explained;

/// How a command's result is printed.
#[derive(Debug, Clone, Default, Args)]
pub struct OutputArgs {
    /// Print JSON, for scripts; errors too, on standard error.
    #[arg(long, global = true)]
    pub json: bool,
}

/// What a cell of a table says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Plain,
    Good,
    Bad,
    Faint,
}

/// A cell of a table.
#[derive(Debug, Clone)]
pub struct Cell(String, Tone);

impl Cell {
    /// Green on a terminal if `good`, red otherwise.
    pub fn judged(text: impl ToString, good: bool) -> Self {
        Self(text.to_string(), if good { Tone::Good } else { Tone::Bad })
    }

    /// What is not known or not set.
    pub fn none() -> Self {
        Self("-".into(), Tone::Faint)
    }

    /// A value, or `-`.
    pub fn maybe(value: Option<impl ToString>) -> Self {
        value.map_or_else(Self::none, |value| Self::from(value.to_string()))
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self(text.into(), Tone::Plain)
    }
}

/// Standard output, and what it can show.
#[derive(Debug, Clone, Copy)]
pub struct Out {
    json: bool,
    terminal: bool,
    colour: bool,
}

impl Out {
    /// As the arguments, the terminal and `NO_COLOR` (no-color.org) say.
    pub fn new(args: &OutputArgs) -> Self {
        let terminal = io::stdout().is_terminal();
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { json: args.json, terminal, colour }
    }

    /// Whether JSON was asked for.
    pub fn json(&self) -> bool {
        self.json
    }

    /// Prints a document as JSON, or what `human` makes of it.
    pub fn show<T: Serialize>(&self, document: &T, human: impl FnOnce(&Self, &T) -> String) -> Result<()> {
        let text = match self.json {
            true => serde_json::to_string_pretty(document)?,
            false => human(self, document),
        };
        self.line(&text)
    }

    /// Prints lines.
    pub fn line(&self, text: &str) -> Result<()> {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{}", text.trim_end())?;
        Ok(stdout.flush()?)
    }

    /// A table; with lines and colours on a terminal, in plain columns elsewhere.
    pub fn table(&self, header: &[&str], rows: Vec<Vec<Cell>>) -> String {
        let mut table = Table::new();
        if self.terminal {
            table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
            table.set_content_arrangement(ContentArrangement::Dynamic);
        } else {
            table.load_preset(presets::NOTHING);
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
        if self.colour {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        table.set_header(header.iter().map(|name| self.cell(&Cell((*name).into(), Tone::Faint))));
        table.add_rows(rows.iter().map(|row| row.iter().map(|cell| self.cell(cell)).collect::<Vec<_>>()));
        // Without lines between them, columns need no space before the first one.
        let margin = if self.terminal { "" } else { " " };
        let lines =
            table.lines().map(|line| line.strip_prefix(margin).unwrap_or(&line).trim_end().to_owned());
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Names and values, one a line.
    pub fn pairs(&self, pairs: Vec<(&str, Cell)>) -> String {
        let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let lines = pairs.into_iter().map(|(name, Cell(value, tone))| {
            format!("{}  {}", self.paint(&format!("{name:width$}"), Tone::Faint), self.paint(&value, tone))
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn cell(&self, Cell(text, tone): &Cell) -> TableCell {
        let cell = TableCell::new(text);
        match (self.colour, tone) {
            (false, _) | (_, Tone::Plain) => cell,
            (true, Tone::Good) => cell.fg(Color::Green),
            (true, Tone::Bad) => cell.fg(Color::Red).add_attribute(Attribute::Bold),
            (true, Tone::Faint) => cell.fg(Color::DarkGrey),
        }
    }

    fn paint(&self, text: &str, tone: Tone) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Good => "32",
            Tone::Bad => "1;31",
            Tone::Faint => "90",
        };
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    #[cfg(test)]
    pub fn test(terminal: bool, colour: bool) -> Self {
        Self { json: false, terminal, colour }
    }
}

#[derive(Serialize)]
struct ErrorDocument<'a> {
    error: String,
    code: Option<&'a str>,
    status: Option<u16>,
    request_id: Option<&'a str>,
    hint: Option<&'a str>,
}

/// Says on standard error what went wrong and what to do next.
pub fn report(error: &anyhow::Error, json: bool) {
    if is_broken_pipe(error) {
        return;
    }
    let explained = error.downcast_ref::<Explained>();
    if json {
        let document = ErrorDocument {
            error: format!("{error:#}"),
            code: explained.and_then(|e| e.code.as_deref()),
            status: explained.and_then(|e| e.status),
            request_id: explained.and_then(|e| e.request_id.as_deref()),
            hint: explained.and_then(|e| e.hint.as_deref()),
        };
        eprintln!("{}", serde_json::to_string(&document).unwrap_or_else(|_| document.error.clone()));
        return;
    }
    eprintln!("headwater: {error:#}");
    if let Some(hint) = explained.and_then(|e| e.hint.as_deref()) {
        eprintln!("{hint}");
    }
}

/// Whoever read our output has seen enough: nothing to say, and nobody to say it to.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<Cell>> {
        vec![
            vec!["live-origin".into(), Cell::judged("healthy", true)],
            vec!["b".into(), Cell::judged("degraded", false)],
            vec!["c".into(), Cell::none()],
        ]
    }

    #[test]
    fn pipes_get_plain_columns_and_terminals_get_colour() {
        let plain = Out::test(false, false).table(&["NAME", "STATE"], rows());
        let lines: Vec<Vec<&str>> = plain.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines, [["NAME", "STATE"], ["live-origin", "healthy"], ["b", "degraded"], ["c", "-"]]);
        assert!(!plain.contains('\x1b') && !plain.contains('─'), "{plain}");
        let coloured = Out::test(true, true).table(&["NAME", "STATE"], rows());
        assert!(coloured.contains("\x1b[") && coloured.contains('─'), "{coloured}");
        let no_colour = Out::test(true, false).table(&["NAME", "STATE"], rows());
        assert!(!no_colour.contains('\x1b') && no_colour.contains('─'), "{no_colour}");
    }

    #[test]
    fn pairs_are_aligned() {
        let pairs = vec![("id", Cell::from("7")), ("version", Cell::none())];
        assert_eq!(Out::test(false, false).pairs(pairs), "id       7\nversion  -");
    }
}
