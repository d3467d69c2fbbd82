use super::*;
use proptest::prelude::*;

fn group_of(key: &str) -> String {
    group(&ObjectKey::parse(key).unwrap()).to_owned()
}

#[test]
fn edges() {
    for (key, want) in [
        ("playlist_480p30_00891.ts", "playlist_480p"),
        ("playlist_480p30.m3u8", "playlist_480p"),
        ("a/b/segment_00012.m4s", "a/b/segment"),
        // Nothing but counter: one group a folder, at the top the empty one.
        ("a/b/00012.ts", "a/b/"),
        ("a/b/2026-01-01_12.ts", "a/b/"),
        ("a/b/7", "a/b/"),
        ("00012.ts", ""),
        ("-", ""),
        // The folder is never shortened, whatever it ends with.
        ("channel_1/00012.ts", "channel_1/"),
        ("channel_1/720/seg.ts", "channel_1/720/seg"),
        ("v1.0/seg", "v1.0/seg"),
        // Extensions: none, several, in front, empty, numeric.
        ("seg12", "seg"),
        ("archive.tar.gz", "archive.tar"),
        ("seg_1.2.3.ts", "seg"),
        (".hidden", ".hidden"),
        (".hidden.ts", ".hidden"),
        (".123", ""),
        ("seg.", "seg"),
        ("seg.001", "seg"),
        // Other scripts.
        ("canal_é1.ts", "canal_é"),
        ("s_٣.ts", "s_٣"),
    ] {
        assert_eq!(group_of(key), want, "{key}");
    }
}

/// How encoders and packagers name what belongs to one rendition: group of the segments, then playlist and init
/// segment with whether they are in that group.
#[test]
fn where_playlists_and_init_segments_go() {
    struct Row {
        encoder: &'static str,
        segment: &'static str,
        group: &'static str,
        beside: &'static [(&'static str, bool)],
    }
    let rows = [
        Row {
            encoder: "MediaLive HLS",
            segment: "live/ch_1080p30_00001.ts",
            group: "live/ch_1080p",
            beside: &[("live/ch_1080p30.m3u8", true), ("live/ch.m3u8", false)],
        },
        Row {
            encoder: "ffmpeg HLS, default names",
            segment: "live/out0.ts",
            group: "live/out",
            beside: &[("live/out.m3u8", true)],
        },
        Row {
            encoder: "ffmpeg HLS, stream map: all variants of a folder in one group",
            segment: "live/stream_0_00012.ts",
            group: "live/stream",
            beside: &[
                ("live/stream_0.m3u8", true),
                ("live/stream_1_00012.ts", true),
                ("live/master.m3u8", false),
            ],
        },
        Row {
            encoder: "ffmpeg HLS, fMP4",
            segment: "live/out0.m4s",
            group: "live/out",
            beside: &[("live/out.m3u8", true), ("live/init.mp4", false)],
        },
        Row {
            encoder: "ffmpeg DASH: all representations of a folder in one group",
            segment: "live/chunk-stream0-00001.m4s",
            group: "live/chunk-stream",
            beside: &[
                ("live/chunk-stream1-00001.m4s", true),
                ("live/init-stream0.m4s", false),
                ("live/manifest.mpd", false),
                ("live/media_0.m3u8", false),
            ],
        },
        Row {
            encoder: "Shaka Packager",
            segment: "live/video_720p_12.m4s",
            group: "live/video_720p",
            beside: &[
                ("live/video_720p.m3u8", true),
                ("live/video_720p_init.mp4", false),
                ("live/h264_720p.m3u8", false),
            ],
        },
        Row {
            encoder: "GStreamer hlssink",
            segment: "live/segment00012.ts",
            group: "live/segment",
            beside: &[("live/playlist.m3u8", false)],
        },
    ];
    for row in rows {
        assert_eq!(group_of(row.segment), row.group, "{}", row.encoder);
        for (name, shared) in row.beside {
            assert_eq!(group_of(name) == row.group, *shared, "{}: {name}", row.encoder);
        }
    }
}

/// One rendition's segment names as a function of its counter.
fn namings() -> impl Strategy<Value = fn(&str, u32) -> String> {
    prop_oneof![
        Just((|r, n| format!("{r}_{n:05}.ts")) as fn(&str, u32) -> String),
        Just((|r, n| format!("{r}_00001_{n:05}.ts")) as fn(&str, u32) -> String),
        Just((|r, n| format!("{r}_0_{n:05}.ts")) as fn(&str, u32) -> String),
        Just((|r, n| format!("{r}{n}.ts")) as fn(&str, u32) -> String),
        Just((|r, n| format!("{r}-stream0-{n:05}.m4s")) as fn(&str, u32) -> String),
        Just((|r, n| format!("{r}_720p_{n}.m4s")) as fn(&str, u32) -> String),
        Just((|r, n| format!("{r}{n:05}.ts")) as fn(&str, u32) -> String),
    ]
}

proptest! {
    #[test]
    fn the_segments_of_a_rendition_share_a_group(
        rendition in "([a-z0-9_-]{1,8}/){0,2}[a-zA-Z0-9_.-]{0,12}[a-z]",
        naming in namings(),
        a in any::<u32>(),
        b in any::<u32>(),
    ) {
        prop_assert_eq!(group_of(&naming(&rendition, a)), group_of(&naming(&rendition, b)));
    }

    #[test]
    fn a_group_is_a_prefix_that_keeps_the_folder(key in "\\PC{1,40}") {
        if let Ok(key) = ObjectKey::parse(&key) {
            let group = group(&key);
            let folder = key.as_str().rfind('/').map_or(0, |slash| slash + 1);
            prop_assert!(key.as_str().starts_with(group));
            prop_assert!(group.len() >= folder);
            let last = group[folder..].chars().next_back();
            prop_assert!(!last.is_some_and(|c| c.is_ascii_digit() || "._-".contains(c)));
        }
    }
}
