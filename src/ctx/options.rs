//! Stands in for `options::ContextOptions`, with the same names, until that is there.

use std::collections::BTreeSet;

#[derive(Clone, Debug)]
pub struct ContextOptions {
    pub io_threads: i32,
    pub max_sockets: i32,
    pub thread_priority: i32,
    pub thread_sched_policy: i32,
    pub thread_affinity_cpus: BTreeSet<i32>,
    pub thread_name_prefix: Text,
}

#[derive(Clone, Debug, Default)]
pub struct Text(Vec<u8>);

impl Text {
    pub fn as_c_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl ContextOptions {
    pub fn new() -> ContextOptions {
        ContextOptions {
            io_threads: 1,
            max_sockets: 1023,
            thread_priority: -1,
            thread_sched_policy: -1,
            thread_affinity_cpus: BTreeSet::new(),
            thread_name_prefix: Text::default(),
        }
    }
}

impl Default for ContextOptions {
    fn default() -> Self {
        ContextOptions::new()
    }
}
