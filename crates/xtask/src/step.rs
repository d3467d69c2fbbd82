//! Running a command as a named step: its output goes to the terminal, its time is printed, failure ends the task.

use anyhow::{Context, bail};
use headwater_types::{Clock, SystemClock};
use std::{env, ffi::OsString, process::Command, time::Duration};

/// The steps of one task and how long each took.
#[derive(Debug, Default)]
pub struct Steps {
    done: Vec<(String, Duration)>,
}

impl Steps {
    /// Runs `work` as a step.
    ///
    /// # Errors
    /// What the work says, with the step's name.
    pub fn run<T>(&mut self, name: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        eprintln!("==> {name}");
        let clock = SystemClock::new();
        let outcome = work().with_context(|| format!("step `{name}` failed"));
        let took = clock.monotonic();
        eprintln!("<== {name}: {:.1} s", took.as_secs_f64());
        self.done.push((name.to_owned(), took));
        outcome
    }

    /// Runs a command as a step.
    ///
    /// # Errors
    /// The command cannot be started or exits with anything but 0.
    pub fn command(&mut self, name: &str, command: &mut Command) -> anyhow::Result<()> {
        self.run(name, || check(command))
    }

    /// One line a step, longest names aligned.
    pub fn summary(&self) -> String {
        let width = self.done.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        self.done
            .iter()
            .map(|(name, took)| format!("{name:width$}  {:>7.1} s\n", took.as_secs_f64()))
            .collect()
    }
}

/// Runs a command with the terminal's output and wants exit code 0.
///
/// # Errors
/// The command cannot be started or exits with anything but 0.
pub fn check(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("start {}", shown(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs a command, wants exit code 0 and gives its standard output.
///
/// # Errors
/// The command cannot be started, fails (its standard error is in the message) or does not print UTF-8.
pub fn output(command: &mut Command) -> anyhow::Result<String> {
    let out = command.output().with_context(|| format!("start {}", shown(command)))?;
    if !out.status.success() {
        bail!(
            "{} ended with {}: {}",
            shown(command),
            out.status,
            String::from_utf8_lossy(&out.stderr).trim()
        );
    }
    String::from_utf8(out.stdout).with_context(|| format!("output of {}", shown(command)))
}

/// The cargo that runs this task.
pub fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
}

/// The program and its arguments, without its environment.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_name_the_step_and_the_command() {
        let mut steps = Steps::default();
        steps.command("good", &mut Command::new("true")).unwrap();
        let error = steps.command("bad one", Command::new("false").arg("x")).unwrap_err();
        assert_eq!(format!("{error:#}"), "step `bad one` failed: false x ended with exit status: 1");
        let summary = steps.summary();
        assert_eq!(summary.lines().count(), 2);
        assert!(summary.starts_with("good   "), "{summary}");
    }
}
