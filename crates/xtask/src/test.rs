//! `cargo xtask test`: everything a change must pass, from a machine with only a Rust toolchain. The test runner goes
//! last, so that its closing lines are the last ones printed.

use crate::{step, step::Steps, test_needs::TestNeeds, verify, workspace::Workspace};
use std::{path::PathBuf, process::Command};

/// Options of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Run only the tests whose name contains one of these, and skip the checks before them.
    #[arg(long = "filter", value_name = "NAME")]
    filters: Vec<String>,
}

/// Runs the task.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let workspace = Workspace::find()?;
    let mut steps = Steps::default();
    let needs = steps.run("needs", || TestNeeds::install(&workspace))?;
    let runner = Runner::choose();
    if options.filters.is_empty() {
        verify::check(&workspace, &needs.python, &mut steps)?;
        build(&workspace, &mut steps)?;
        verify::rules(&workspace, &mut steps)?;
        let mut documentation = workspace.cargo(&["doc", "--workspace", "--no-deps"]);
        steps.command("documentation", documentation.env("RUSTDOCFLAGS", "-D warnings"))?;
    } else {
        build(&workspace, &mut steps)?;
    }
    if options.filters.is_empty() {
        steps.command(
            "documentation tests",
            workspace.cargo(&["test", "--workspace", "--doc", "--quiet"]).envs(needs.variables()?),
        )?;
    }
    eprint!("{}", steps.summary());
    eprintln!("==> tests");
    step::check(runner.command(&workspace, &options.filters).envs(needs.variables()?))
}

/// Builds the programs that tests start, and the tests, in one call: cargo gives dependencies the features that the
/// targets of a call ask for together, so another choice of targets would build most of them once more.
fn build(workspace: &Workspace, steps: &mut Steps) -> anyhow::Result<()> {
    steps.command("build", &mut workspace.cargo(&["build", "--workspace", "--bins", "--tests"]))
}

impl TestNeeds {
    /// As the end-to-end tests read them.
    fn variables(&self) -> anyhow::Result<[(&str, PathBuf); 4]> {
        Ok([
            ("HEADWATER_TEST_FFMPEG9", self.python.ffmpeg9()?),
            ("HEADWATER_TEST_PYTHON", self.python.program("python")),
            ("HEADWATER_TEST_MOTO_SERVER", self.python.program("moto_server")),
            ("HEADWATER_TEST_NODE_MODULES", self.node_modules.clone()),
        ])
    }
}

/// What runs the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runner {
    /// A process for each test, all packages at once.
    Nextest,
    /// What every toolchain has. Same tests, package after package.
    CargoTest,
}

impl Runner {
    /// nextest is not installed here: building it takes longer than it saves.
    fn choose() -> Self {
        if step::output(step::cargo().args(["nextest", "--version"])).is_ok() {
            Self::Nextest
        } else {
            eprintln!("cargo-nextest is not installed: running the tests with `cargo test`");
            Self::CargoTest
        }
    }

    fn command(self, workspace: &Workspace, filters: &[String]) -> Command {
        let mut command = match self {
            Self::Nextest => workspace.cargo(&["nextest", "run", "--workspace"]),
            Self::CargoTest => workspace.cargo(&["test", "--workspace", "--lib", "--bins", "--tests", "--"]),
        };
        command.args(filters);
        command
    }
}
