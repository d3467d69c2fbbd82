//! Relative links of documents: the file is there, and so is the heading.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
};

use crate::repo;

#[test]
fn links_lead_somewhere() {
    let root = repo::root();
    let files = repo::text_files(&root);
    let documents: Vec<&repo::TextFile> = files.iter().filter(|file| file.is("md")).collect();
    assert!(!documents.is_empty(), "no document was found");
    let violations: Vec<String> =
        documents.iter().flat_map(|file| broken(&root, &file.path, &file.text)).collect();
    repo::assert_none(&violations);
}

/// The links of one document that lead nowhere. Links to other sites are not followed.
fn broken(root: &Path, document: &str, text: &str) -> Vec<String> {
    let links =
        prose(text).into_iter().flat_map(|(line, text)| targets(&text).into_iter().map(move |t| (line, t)));
    let wrong = links.filter_map(|(line, target)| {
        let why = why_broken(root, document, &target)?;
        Some(format!("{document}:{line}: {target}: {why}"))
    });
    wrong.collect()
}

fn why_broken(root: &Path, document: &str, target: &str) -> Option<&'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    if path.starts_with('/') {
        return Some("must be relative to the document");
    }
    let relative = match path {
        "" => Some(PathBuf::from(document)),
        path => normalised(&Path::new(document).with_file_name(path)),
    };
    let Some(relative) = relative else { return Some("leads out of the repository") };
    let full = root.join(relative);
    if !full.exists() {
        return Some("there is no such file");
    }
    let anchor = anchor?;
    let text = fs::read_to_string(&full).unwrap_or_default();
    (!anchors(&text).contains(anchor)).then_some("there is no such heading")
}

/// Resolves `.` and `..`; `None` if that leads above the start.
fn normalised(path: &Path) -> Option<PathBuf> {
    let mut result = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir if !result.pop() => return None,
            Component::Normal(name) => result.push(name),
            _ => {}
        }
    }
    Some(result)
}

/// The lines outside of fenced code with their numbers; code spans are blanked out.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut fence = None;
    let mut lines = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let mark = ["```", "~~~"].into_iter().find(|mark| line.trim_start().starts_with(mark));
        match (fence, mark) {
            (None, Some(_)) => fence = mark,
            (Some(_), _) if fence == mark => fence = None,
            (Some(_), _) => {}
            (None, None) => {
                let spans = line.split('`').enumerate();
                let kept = spans.map(|(i, span)| if i % 2 == 0 { span } else { "code" });
                lines.push((i + 1, kept.collect()));
            }
        }
    }
    lines
}

/// Where a line's links and images lead: inline, reference definitions, and HTML attributes.
fn targets(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (start, end) in [("](", ')'), ("src=\"", '"'), ("href=\"", '"')] {
        let after = line.split(start).skip(1);
        found.extend(after.filter_map(|rest| rest.split_once(end)).map(|(target, _)| target));
    }
    if let Some((label, target)) = line.trim_start().split_once("]: ")
        && label.starts_with('[')
    {
        found.push(target);
    }
    let without_title = |target: &str| target.split_whitespace().next().unwrap_or_default().to_owned();
    found.into_iter().map(without_title).map(|t| t.trim_matches(['<', '>']).to_owned()).collect()
}

/// The anchors of a document's headings, made as the usual renderers do: lower case, spaces to `-`, punctuation
/// dropped, `-1` and so on for repeated ones.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = BTreeSet::new();
    let mut fenced = false;
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        let words = line.trim_start_matches('#');
        if fenced || !(1..=6).contains(&(line.len() - words.len())) || !words.starts_with(' ') {
            continue;
        }
        let kept = words.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let slug: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>().to_lowercase();
        let count = seen.entry(slug.clone()).or_default();
        anchors.insert(if *count == 0 { slug } else { format!("{slug}-{count}") });
        *count += 1;
    }
    anchors
}

#[test]
fn broken_links_are_found_and_sound_ones_are_not() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("docs")).unwrap();
    let target =
        "# Title\n## The `a_b` limit: 1 GiB\n## Twice\n## Twice\n```\n# not a heading\n```\n#neither\n";
    fs::write(root.path().join("docs/b.md"), target).unwrap();
    let broken = |link: &str| {
        let inline = format!("see [x]({link}) and [y](b.md)");
        let document = format!(
            "# Here\n{inline}\n[r]: {link}\n<img src=\"{link}\">\n`[c]({link})`\n```\n[c]({link})\n```\n"
        );
        broken(root.path(), "docs/a.md", &document).len()
    };
    for sound in [
        "b.md",
        "./b.md",
        "../docs/b.md",
        "..",
        "#broken-or-not",
        "b.md#title",
        "b.md#the-a_b-limit-1-gib",
        "b.md#twice-1",
        "https://example.com/none",
        "mailto:a@example.com",
    ] {
        fs::write(root.path().join("docs/a.md"), "# Broken or not\n").unwrap();
        assert_eq!(broken(sound), 0, "{sound}");
    }
    for lost in [
        "c.md",
        "../b.md",
        "../../b.md",
        "/docs/b.md",
        "#none",
        "b.md#twice-2",
        "b.md#not-a-heading",
        "b.md#neither",
    ] {
        assert_eq!(broken(lost), 3, "{lost}: inline, by reference and in HTML");
    }
}
