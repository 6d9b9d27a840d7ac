//! The properties in READY, INITIATE and replies of an authenticator.

use super::input::Input;
use super::sides::{self, Mechanism};
use zmq::engine::mechanism::properties::{self, MAX_PROPERTIES, PeerProperties, Properties};

pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let config = sides::config(&mut input, Mechanism::Null, false);
    let bytes = input.rest();
    let sound = Properties::new(bytes).all(|property| property.is_ok());
    let count = Properties::new(bytes).count();
    let collected = properties::collect(bytes);
    assert_eq!(collected.is_ok(), sound && count <= MAX_PROPERTIES);
    if PeerProperties::parse(bytes, &config).is_ok() {
        assert!(sound && count <= MAX_PROPERTIES);
    }
    let Ok(collected) = collected else { return };
    // What was read can be said again, and reads the same.
    let mut again = Vec::new();
    for (name, value) in &collected {
        properties::append(&mut again, name.as_bytes(), value);
    }
    assert_eq!(properties::collect(&again).unwrap(), collected);
}
