//! `cargo xtask test`: everything a change must pass, from a machine with only a Rust toolchain. The test runner goes
//! last, so that its closing lines are the last ones printed. Every test runs, also after one has failed.

use crate::{
    step::Steps,
    test_needs::TestNeeds,
    test_runner::{Part, Runner},
    verify,
    workspace::Workspace,
};
use anyhow::bail;
use std::path::PathBuf;

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
    let variables = needs.variables()?;
    let runner = Runner::choose();
    let parts: &[Part] = if options.filters.is_empty() {
        verify::check(&workspace, &needs.python, &mut steps)?;
        build(&workspace, &mut steps)?;
        verify::rules(&workspace, &mut steps)?;
        let mut documentation = workspace.cargo(&["doc", "--workspace", "--no-deps"]);
        steps.command("documentation", documentation.env("RUSTDOCFLAGS", "-D warnings"))?;
        let mut examples = workspace.cargo(&["test", "--workspace", "--doc", "--quiet"]);
        steps.command("documentation tests", examples.envs(variables.clone()))?;
        &Part::ALL
    } else {
        build(&workspace, &mut steps)?;
        &[Part::Named]
    };
    let (mut failed, mut broken) = (Vec::new(), Vec::new());
    for part in parts {
        let mut command = runner.command(&workspace, *part, &options.filters);
        match steps.run(&format!("tests: {}", part.title()), || runner.run(command.envs(variables.clone()))) {
            Ok(names) => failed.extend(names),
            Err(error) => broken.push(error),
        }
    }
    eprint!("{}", steps.summary());
    if failed.is_empty() && broken.is_empty() {
        eprintln!("every test passed");
        return Ok(());
    }
    for error in &broken {
        eprintln!("{error:#}");
    }
    if failed.is_empty() {
        bail!("not every test ran");
    }
    eprintln!("failed, and how to run each alone:");
    for test in &failed {
        eprintln!("  {test}\n    cargo xtask test --filter {test}");
    }
    bail!("{} failed", if failed.len() == 1 { "1 test".into() } else { format!("{} tests", failed.len()) })
}

/// Builds the programs that tests start, and the tests, in one call: cargo gives dependencies the features that the
/// targets of a call ask for together, so another choice of targets would build most of them once more.
fn build(workspace: &Workspace, steps: &mut Steps) -> anyhow::Result<()> {
    steps.command("build", &mut workspace.cargo(&["build", "--workspace", "--bins", "--tests"]))
}

impl TestNeeds {
    /// As the end-to-end tests read them.
    fn variables(&self) -> anyhow::Result<[(&'static str, PathBuf); 4]> {
        Ok([
            ("HEADWATER_TEST_FFMPEG9", self.python.ffmpeg9()?),
            ("HEADWATER_TEST_PYTHON", self.python.program("python")),
            ("HEADWATER_TEST_MOTO_SERVER", self.python.program("moto_server")),
            ("HEADWATER_TEST_NODE_MODULES", self.node_modules.clone()),
        ])
    }
}
