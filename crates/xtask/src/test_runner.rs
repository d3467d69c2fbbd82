//! Running the tests in parts, each to its end, and collecting the names of those that failed.

use crate::{step, workspace::Workspace};
use anyhow::{Context, bail};
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
};

/// The test binaries that start processes, sockets and real clients.
const OF_PROCESSES: [&str; 2] = ["contract", "e2e"];

/// The modules of those binaries whose tests run encoders or players in real time.
const OF_ENCODERS: [&str; 10] = [
    "content_types::",
    "decoded::",
    "demo::",
    "digest::",
    "encoders::",
    "gstreamer::",
    "ladders::",
    "manifest::",
    "packager::",
    "players::",
];

/// A part of the tests. Each is timed as a step of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Everything that needs no other process.
    Unit,
    /// The contract at real sockets, and the real binaries without encoders.
    Processes,
    /// Real encoders, packagers and players.
    Encoders,
    /// Those whose name contains a filter, wherever they belong.
    Named,
}

impl Part {
    /// All of the tests, in the order in which they run.
    pub const ALL: [Self; 3] = [Self::Unit, Self::Processes, Self::Encoders];

    /// What the summary of the times calls it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Processes => "real processes",
            Self::Encoders => "encoders and players",
            Self::Named => "by name",
        }
    }
}

/// What runs the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runner {
    /// A process for each test, all packages at once.
    Nextest,
    /// What every toolchain has. Same tests, package after package.
    CargoTest,
}

impl Runner {
    /// nextest is not installed here: building it takes longer than it saves.
    pub fn choose() -> Self {
        if step::output(step::cargo().args(["nextest", "--version"])).is_ok() {
            Self::Nextest
        } else {
            eprintln!("cargo-nextest is not installed: running the tests with `cargo test`");
            Self::CargoTest
        }
    }

    /// The command that runs one part to its end, whatever fails. `filters` belong to [`Part::Named`].
    pub fn command(self, workspace: &Workspace, part: Part, filters: &[String]) -> Command {
        match self {
            Self::Nextest => {
                let mut command = workspace.cargo(&["nextest", "run", "--workspace", "--no-fail-fast"]);
                command.args(["--color", "never", "-E", &expression(part, filters)]);
                command
            }
            Self::CargoTest => {
                let mut command = workspace.cargo(&["test", "--workspace", "--no-fail-fast"]);
                // Targets are chosen by name and never by package, which could change the features of dependencies.
                match part {
                    Part::Named => command.args(["--lib", "--bins", "--tests", "--"]).args(filters),
                    Part::Unit => {
                        command.args(["--lib", "--bins"]);
                        let tests = workspace.test_targets().filter(|name| !OF_PROCESSES.contains(name));
                        command.args(tests.flat_map(|name| ["--test", name]))
                    }
                    Part::Processes => {
                        command.args(OF_PROCESSES.iter().flat_map(|name| ["--test", name])).arg("--");
                        command.args(OF_ENCODERS.iter().flat_map(|name| ["--skip", name]))
                    }
                    Part::Encoders => {
                        command.args(OF_PROCESSES.iter().flat_map(|name| ["--test", name])).arg("--");
                        command.args(OF_ENCODERS)
                    }
                };
                command
            }
        }
    }

    /// Runs a command of [`Runner::command`], passes its output on, and returns the names of the tests that failed.
    ///
    /// # Errors
    /// The runner cannot be started, runs no test, or fails although no test did: a test binary that does not build or
    /// that ends early.
    pub fn run(self, command: &mut Command) -> anyhow::Result<BTreeSet<String>> {
        let (read, write) = std::io::pipe()?;
        command.stdout(write.try_clone()?).stderr(write).stdin(Stdio::null());
        let mut child = command.spawn().context("start the test runner")?;
        // The command holds the writing end, so that reading would never end.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let (mut count, mut failed) = (0_u32, BTreeSet::new());
        pass_on(read, |line| {
            if let Some(test) = self.tested(line) {
                count += 1;
                failed.extend((!test.passed).then(|| test.name.to_owned()));
            }
        })?;
        let status = child.wait()?;
        if !status.success() && failed.is_empty() {
            bail!("the test runner ended with {status}, and no test failed");
        }
        if count == 0 {
            bail!("no test ran");
        }
        Ok(failed)
    }

    /// What a line of output says about a test.
    fn tested(self, line: &str) -> Option<Tested<'_>> {
        match self {
            // `        FAIL [   0.007s] (12/40) headwater-ring shard::tests::name`. `FAIL + LEAK`, `TIMEOUT`, a signal and
            // other words stand there, too; a test that only leaks a handle has passed.
            Self::Nextest => {
                let (what, rest) = line.trim_start().split_once(" [")?;
                let passed = ["PASS", "LEAK"].contains(&what);
                let is_failure = ["FAIL", "SIG", "ABORT", "TIMEOUT", "LEAK-FAIL", "XFAIL"]
                    .iter()
                    .any(|word| what.starts_with(word));
                let (seconds, rest) = rest.split_once(']')?;
                let seconds = seconds.trim_start_matches('>').trim().trim_end_matches('s');
                let is_result = (passed || is_failure) && seconds.parse::<f64>().is_ok();
                let name = rest.split_whitespace().next_back().filter(|_| is_result)?;
                Some(Tested { name, passed })
            }
            // `test shard::tests::name ... FAILED`
            Self::CargoTest => {
                let (name, outcome) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
                let passed = outcome == "ok";
                (passed || outcome == "FAILED").then_some(Tested { name, passed })
            }
        }
    }
}

/// A test and how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tested<'a> {
    name: &'a str,
    passed: bool,
}

/// The tests of a part, in nextest's language.
fn expression(part: Part, filters: &[String]) -> String {
    let any = |words: Vec<String>| words.join(" | ");
    let processes = any(OF_PROCESSES.iter().map(|name| format!("binary(={name})")).collect());
    let encoders = any(OF_ENCODERS.iter().map(|name| format!("test(/^{name}/)")).collect());
    match part {
        Part::Unit => format!("not ({processes})"),
        Part::Processes => format!("({processes}) - ({encoders})"),
        Part::Encoders => format!("({processes}) & ({encoders})"),
        Part::Named => any(filters.iter().map(|name| format!("test({name})")).collect()),
    }
}

/// Copies what is read to standard error and hands over each line.
fn pass_on(read: impl Read, mut each: impl FnMut(&str)) -> std::io::Result<()> {
    let (mut read, mut line) = (BufReader::new(read), Vec::new());
    while read.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        eprint!("{text}");
        each(text.trim_end());
        line.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_found_in_what_the_runners_print() {
        let nextest = |line: &str| {
            let test = Runner::Nextest.tested(line)?;
            Some((test.name.to_owned(), test.passed))
        };
        let many = |passed| Some(("load::many".to_owned(), passed));
        let line = |what| format!("  {what} [   0.007s] ( 12/940) headwater-tests::e2e load::many");
        for what in ["FAIL", "FAIL + LEAK", "SIGABRT", "XFAIL", "LEAK-FAIL", "ABORT", "TIMEOUT"] {
            assert_eq!(nextest(&line(what)), many(false), "{what}");
        }
        for what in ["PASS", "LEAK"] {
            assert_eq!(nextest(&line(what)), many(true), "{what}");
        }
        let late = "     TIMEOUT [>180.000s] (1/2) headwater-tests::e2e load::many";
        assert_eq!(nextest(late), many(false));
        for other in
            [&line("SLOW"), "     Summary [   9.100s] 940 tests run", "FAIL [of what a test printed]"]
        {
            assert_eq!(nextest(other), None, "{other}");
        }

        let cargo = |line| Runner::CargoTest.tested(line).map(|test| (test.name, test.passed));
        assert_eq!(cargo("test shard::tests::name ... FAILED"), Some(("shard::tests::name", false)));
        assert_eq!(cargo("test shard::tests::name ... ok"), Some(("shard::tests::name", true)));
        assert_eq!(cargo("test shard::tests::name ... ignored"), None);
        assert_eq!(cargo("test result: FAILED. 3 passed; 1 failed"), None);
    }

    #[test]
    fn output_is_read_to_its_end_and_each_failure_is_named_once() {
        let run = |script| Runner::CargoTest.run(Command::new("sh").args(["-c", script]));
        let script = "echo 'test b ... FAILED'; printf 'not UTF-8: \\377\\n'; echo 'test a ... FAILED'; \
                      printf 'test b ... FAILED' >&2; exit 101";
        assert_eq!(run(script).unwrap().into_iter().collect::<Vec<_>>(), ["a", "b"]);
        assert!(run("echo 'test a ... ok'").unwrap().is_empty());
        let error = run("echo 'error: could not compile' >&2; exit 101").unwrap_err();
        assert!(error.to_string().contains("no test failed"), "{error}");
        assert_eq!(run("echo 'running 0 tests'").unwrap_err().to_string(), "no test ran");
    }

    #[test]
    fn every_test_belongs_to_one_part() {
        let [unit, processes, encoders] = Part::ALL.map(|part| expression(part, &[]));
        assert_eq!(unit, "not (binary(=contract) | binary(=e2e))");
        assert!(
            processes.starts_with("(binary(=contract) | binary(=e2e)) - (test(/^content_types::/) | "),
            "{processes}"
        );
        assert_eq!(encoders, processes.replace(" - ", " & "));
        assert_eq!(expression(Part::Named, &["a".into(), "b".into()]), "test(a) | test(b)");

        let workspace = Workspace::find().unwrap();
        let arguments = |part| -> Vec<String> {
            let command = Runner::CargoTest.command(&workspace, part, &[]);
            command.get_args().map(|argument| argument.to_str().unwrap().to_owned()).collect()
        };
        let [unit, processes, encoders] = Part::ALL.map(arguments);
        let after = |arguments: &[String], word: &str| -> Vec<String> {
            arguments.windows(2).filter(|pair| pair[0] == word).map(|pair| pair[1].clone()).collect()
        };
        let mut targets = [after(&unit, "--test"), after(&processes, "--test")].concat();
        targets.sort();
        let mut all: Vec<String> = workspace.test_targets().map(str::to_owned).collect();
        all.sort();
        assert_eq!(targets, all);
        assert_eq!(after(&encoders, "--test"), OF_PROCESSES);
        assert_eq!(after(&processes, "--skip"), OF_ENCODERS);
        assert!(encoders.ends_with(&OF_ENCODERS.map(str::to_owned)));
    }
}
