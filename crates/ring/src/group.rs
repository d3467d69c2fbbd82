//! Groups: the part of a key that the numbered segments of one rendition have in common.

use headwater_types::ObjectKey;

/// The key without its extension and without the run of `[0-9._-]` that then ends it.
///
/// `playlist_480p30_00891.ts` and `playlist_480p30.m3u8` both have the group `playlist_480p`,
/// `a/b/segment_00012.m4s` has `a/b/segment`. Objects of one group share a shard, so this function is fixed for ever.
///
/// The edges:
/// - The extension is what follows the last dot of the last path segment, the dot included, unless that dot is the
///   segment's first byte: `.hidden` has no extension.
/// - The run never crosses a `/`: a name without anything else before its extension (`00012.ts`,
///   `2026-01-01_12.ts`) has its folder with the `/` as its group, `a/b/`, or the empty group at the top.
/// - Only the ASCII characters named above end a group; letters and digits of other scripts belong to it.
pub fn group(key: &ObjectKey) -> &str {
    let key = key.as_str();
    let name_start = key.rfind('/').map_or(0, |slash| slash + 1);
    let (folder, name) = key.split_at(name_start);
    let stem = match name.rfind('.') {
        Some(dot) if dot > 0 => &name[..dot],
        _ => name,
    };
    let kept = stem.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '_' | '-'));
    &key[..folder.len() + kept.len()]
}

#[cfg(test)]
mod tests;
