//! What playlists and manifests name: as much of HLS and of ffmpeg's MPDs as the tests compare.

/// A media playlist.
#[derive(Debug, Clone, PartialEq)]
pub struct MediaPlaylist {
    /// Number of the first segment.
    pub sequence: u64,
    /// URIs as they are written, in order.
    pub segments: Vec<String>,
    /// All of them together.
    pub seconds: f64,
    /// Whether it says that it ended.
    pub ended: bool,
}

impl MediaPlaylist {
    /// Reads one.
    pub fn parse(text: &str) -> Self {
        assert!(text.starts_with("#EXTM3U"), "no playlist: {text:?}");
        let values = |tag: &'static str| text.lines().filter_map(move |line| line.strip_prefix(tag));
        let duration = |value: &str| -> f64 { value.split(',').next().unwrap().parse().expect("EXTINF") };
        let sequence =
            values("#EXT-X-MEDIA-SEQUENCE:").next().map_or(0, |n| n.trim().parse().expect("a number"));
        Self {
            sequence,
            segments: uris(text),
            seconds: values("#EXTINF:").map(duration).sum(),
            ended: text.contains("#EXT-X-ENDLIST"),
        }
    }
}

/// The URI lines of a playlist, media or multivariant.
pub fn uris(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

/// The names that ffmpeg's MPD with segment timelines refers to: `init-stream0.m4s`, `chunk-stream0-00001.m4s`, …
pub fn mpd_segments(mpd: &str) -> Vec<String> {
    let mut names = Vec::new();
    for representation in mpd.split("<Representation ").skip(1) {
        let attribute = |tag: &str, name: &str| {
            let tag = &representation[representation.find(&format!("{tag} "))?..];
            let tag = &tag[..tag.find('>')?];
            let value = &tag[tag.find(&format!("{name}=\""))? + name.len() + 2..];
            Some(value[..value.find('"')?].to_owned())
        };
        let id = representation.trim_start().strip_prefix("id=\"").and_then(|rest| rest.split('"').next());
        let id = id.expect("a representation begins with its id");
        names.push(format!("init-stream{id}.m4s"));
        let first: u32 = attribute("<SegmentTemplate", "startNumber").expect("startNumber").parse().unwrap();
        let repeats = |s: &str| -> u32 {
            let tag = &s[..s.find('>').unwrap()];
            let repeat =
                tag.find("r=\"").map_or(0, |at| tag[at + 3..].split('"').next().unwrap().parse().unwrap());
            repeat + 1
        };
        let count: u32 = representation.split("<S ").skip(1).map(repeats).sum();
        assert!(count > 0, "no segment timeline: {mpd}");
        names.extend((first..first + count).map(|number| format!("chunk-stream{id}-{number:05}.m4s")));
    }
    names
}

#[test]
fn reads_what_ffmpeg_writes() {
    let text =
        "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:1.5,\na.ts\n#EXTINF:2.0,\nb.ts?x=1\n#EXT-X-ENDLIST\n";
    let expected = MediaPlaylist {
        sequence: 7,
        segments: vec!["a.ts".into(), "b.ts?x=1".into()],
        seconds: 3.5,
        ended: true,
    };
    assert_eq!(MediaPlaylist::parse(text), expected);
    let mpd = "<Representation id=\"0\" mimeType=\"video/mp4\"><SegmentTemplate timescale=\"1\" startNumber=\"3\">\
               <SegmentTimeline><S t=\"0\" d=\"1\" r=\"1\" /><S d=\"2\" /></SegmentTimeline></SegmentTemplate>";
    let names =
        ["init-stream0.m4s", "chunk-stream0-00003.m4s", "chunk-stream0-00004.m4s", "chunk-stream0-00005.m4s"];
    assert_eq!(mpd_segments(mpd), names);
}
