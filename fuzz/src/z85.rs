//! Z85, both ways.

use zmq::z85;

pub fn run(data: &[u8]) {
    if let Ok(bytes) = z85::decode(data) {
        assert_eq!(z85::encode(&bytes).unwrap().as_bytes(), data, "one text for the same bytes");
    }
    if let Ok(text) = z85::encode(data)
        && !data.is_empty()
    {
        assert_eq!(z85::decode(text.as_bytes()).unwrap().as_slice(), data);
    }
}
