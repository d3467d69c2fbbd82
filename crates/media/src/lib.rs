//! Playlists and media names: classes, content types, target durations. Pure.
