//! What is written nowhere, neither in code nor in documents.

use crate::repo;

/// Files that no one writes by hand.
const GENERATED: [&str; 1] = ["Cargo.lock"];

/// A banned text and why. Each is put together from parts so that this file does not contain it.
const BANNED: [(&str, &str); 6] = [
    (concat!("to", "do!("), "finish it or leave it out"),
    (concat!("unimple", "mented!("), "finish it or leave it out"),
    (concat!("#[", "ignore"), "a test that does not run proves nothing"),
    (concat!("/ho", "me/"), "a path of one machine"),
    (concat!("/ro", "ot/"), "a path of one machine"),
    (concat!("/Us", "ers/"), "a path of one machine"),
];

/// A mark for what is not finished; banned as a word of its own, since templates of temporary names contain it.
const MARK: &str = concat!("XX", "X");

#[test]
fn banned_words_are_written_nowhere() {
    let files = repo::text_files(&repo::root());
    assert!(files.len() > 50, "only {} files were found", files.len());
    let written = files.iter().filter(|file| !GENERATED.contains(&file.path.as_str()));
    let violations: Vec<String> = written
        .flat_map(|file| found(&file.text).into_iter().map(|what| format!("{}:{what}", file.path)))
        .collect();
    repo::assert_none(&violations);
}

/// `line: what is wrong with it` for each line that has a banned word.
fn found(text: &str) -> Vec<String> {
    let wrong = |line: &str| {
        let banned = BANNED.iter().find(|(word, _)| line.contains(word)).copied();
        let mark = || {
            let mut words = line.split(|c: char| !c.is_alphanumeric());
            words.any(|word| word == MARK).then_some((MARK, "say what is missing"))
        };
        banned.or_else(mark)
    };
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(i, line)| wrong(line).map(|(word, why)| format!("{}: {word:?}: {why}", i + 1)))
        .collect()
}

#[test]
fn each_banned_word_is_found() {
    for (word, _) in BANNED {
        assert_eq!(found(&format!("fine\n  a {word} b")).len(), 1, "{word}");
    }
    assert_eq!(found(&format!("// {MARK}: later")).len(), 1);
    assert_eq!(found(&format!("mktemp -d t.{MARK}{MARK}")), [""; 0]);
    assert_eq!(found("nothing to do here"), [""; 0]);
}
