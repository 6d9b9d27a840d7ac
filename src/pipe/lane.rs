//! One direction of a pipe: frames in wire form in a list of blocks, or the latest message alone.

mod reader;
mod run;
mod weight;
mod writer;

pub use reader::{InlineFrame, LaneReader};
pub use run::Run;
pub use writer::{LaneWriter, Wake};

use super::hwm;
use super::latest::Latest;
use super::link::{Link, Side};
use crate::errno::Result;
use crate::queue::blocks;
use reader::ReadFrom;
use std::sync::Arc;
use writer::WriteTo;

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
    let (to, from) = if options.conflate {
        let latest = Latest::default();
        (WriteTo::Latest(latest.clone(), false), ReadFrom::Latest(latest))
    } else {
        let (producer, consumer) = blocks::queue()?;
        (WriteTo::Blocks(producer), ReadFrom::Blocks(consumer))
    };
    let reader = LaneReader::new(from, granting, Arc::clone(link), writer.other());
    Ok((LaneWriter::new(to, spending, Arc::clone(link), writer), reader))
}
