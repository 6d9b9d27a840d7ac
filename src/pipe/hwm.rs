//! All high-water-mark logic.
