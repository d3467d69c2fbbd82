//! The admin plane: health, metrics and the watch page.
