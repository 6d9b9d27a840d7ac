//! One direction of a pipe: frames in wire form in a list of blocks, or the latest message alone.

mod inline;
mod reader;
mod run;
mod weight;
mod writer;

pub use inline::{InlineFrame, Wake};
pub use reader::LaneReader;
pub use run::Run;
pub use writer::LaneWriter;

use super::body_ring::RingReader;
use super::hwm;
use super::latest::Latest;
use super::link::{Link, Side};
use super::tail::Tail;
use crate::errno::Result;
use crate::queue::blocks::{self, Consumer, Producer};
use std::sync::Arc;
use weight::Weight;

/// Settings of a lane.
#[derive(Clone, Copy, Debug)]
pub struct LaneOptions {
    /// Messages that the lane holds at most; 0 or less: no limit.
    pub hwm: i32,
    /// Keep the latest message only.
    pub conflate: bool,
}

/// Makes the lane that the owner of `writer`'s end writes to. Errors: `ENOMEM`.
pub fn lane(link: &Arc<Link>, writer: Side, options: LaneOptions) -> Result<(LaneWriter, LaneReader)> {
    let (spending, granting) = hwm::account(if options.conflate { 0 } else { options.hwm });
    let (into, from) = if options.conflate {
        let latest = Latest::default();
        (Into::Latest(latest.clone(), false), From::Latest(latest))
    } else {
        let (producer, consumer) = blocks::queue()?;
        (Into::Blocks(producer), From::Blocks(consumer))
    };
    let writer_end = LaneWriter {
        into,
        spending,
        link: Arc::clone(link),
        side: writer,
        wake: false,
        weight: Weight::default(),
        ring: None,
        bodies_unpublished: false,
    };
    let reader_end = LaneReader {
        from,
        granting,
        link: Arc::clone(link),
        side: writer.other(),
        metadata: None,
        incomplete: false,
        found: None,
        ring: RingReader::default(),
    };
    Ok((writer_end, reader_end))
}

enum Into {
    Blocks(Producer<Tail>),
    /// The flag: the frames of a multipart message are being dropped.
    Latest(Latest, bool),
}

enum From {
    Blocks(Consumer<Tail>),
    Latest(Latest),
}
