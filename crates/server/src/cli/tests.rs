use super::*;
use clap::CommandFactory;

fn leaves(command: &clap::Command, parents: &str, found: &mut Vec<(String, clap::Command)>) {
    let name = format!("{parents} {}", command.get_name());
    let children: Vec<_> = command.get_subcommands().filter(|child| child.get_name() != "help").collect();
    if children.is_empty() {
        found.push((name.trim().to_owned(), command.clone()));
    }
    for child in children {
        leaves(child, &name, found);
    }
}

fn all_leaves() -> Vec<(String, clap::Command)> {
    let mut root = Cli::command();
    root.build();
    let mut found = Vec::new();
    leaves(&root, "", &mut found);
    found
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_has_json_and_examples_and_says_what_it_does() {
    let commands = all_leaves();
    assert!(commands.len() > 30, "{}", commands.len());
    for (name, command) in commands {
        assert!(command.get_about().is_some(), "{name} does not say what it does");
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        // Roles log; what they print is no result.
        if !matches!(name.as_str(), "headwater meta" | "headwater node" | "headwater frontend") {
            assert!(command.get_arguments().any(|arg| arg.get_id() == "json"), "{name} has no --json");
            assert!(help.contains("Example"), "{name} has no example");
        }
        for arg in command.get_arguments() {
            assert!(arg.get_help().is_some(), "{name}: {} has no help", arg.get_id());
        }
    }
}

#[test]
fn examples_can_be_parsed() {
    let mut tried = 0;
    for (name, command) in all_leaves() {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for line in help.lines().filter_map(|line| line.strip_prefix("  ")) {
            for part in line.split(['|', '>']).flat_map(|part| part.split("&&")) {
                let Some(at) = part.find("headwater ") else { continue };
                let words = part[at..].split_whitespace().map(|word| word.trim_matches('\''));
                let parsed = Cli::try_parse_from(words);
                assert!(parsed.is_ok(), "{name}: {part}: {}", parsed.unwrap_err());
                tried += 1;
            }
        }
    }
    assert!(tried > 30, "{tried}");
}

#[test]
fn a_secret_on_the_command_line_is_not_shown() {
    for line in ["headwater ns list --admin-token verysecret", "headwater object ls --key verysecret"] {
        let parsed = Cli::try_parse_from(line.split_whitespace()).unwrap();
        let shown = format!("{parsed:?}");
        assert!(shown.contains("redacted") && !shown.contains("verysecret"), "{shown}");
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    for wrong in [
        "headwater key create",
        "headwater key create live --admin",
        "headwater key create live",
        "headwater key create --admin --permission readonly",
        "headwater object rm",
        "headwater object rm a --prefix b/",
        "headwater object rm a --block",
        "headwater object put a",
        "headwater ns create",
        "headwater ns create a --default-ttl 0",
        "headwater ns create a --hot-capacity much",
        "headwater ns create a --ttl-rule x",
        "headwater size",
        "headwater size --profile 1x",
        "headwater size --profile 1M --segment 61",
        "headwater sign token --prefix a/ --signing-key f --verb PATCH",
        "headwater object get a --range 5-4",
    ] {
        assert!(Cli::try_parse_from(wrong.split_whitespace()).is_err(), "{wrong}");
    }
}
