//! Options of sockets and contexts: any number, any bytes, any size.

use super::input::Input;
use super::sides::ALL_TYPES;
use zmq::options::{self, ContextOptions, SocketOptions};

/// Options set on one socket.
const MOST: usize = 32;

pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut socket = SocketOptions::new(input.one_of(&ALL_TYPES));
    let mut context = ContextOptions::default();
    let numbers: Vec<i32> = options::rows().iter().map(|row| row.number).collect();
    for _ in 0..MOST {
        if input.is_empty() {
            break;
        }
        let number = match input.byte() {
            255 => i32::from(input.u16() as i16),
            choice => numbers[usize::from(choice) % numbers.len()],
        };
        let value = input.run();
        let before = read(&socket, number, usize::from(input.byte()) * 2);
        let taken = if value.is_empty() && input.flag() {
            socket.set_null(number)
        } else {
            socket.set(number, value)
        };
        if taken.is_err() {
            assert_eq!(read(&socket, number, before.1.len()), before, "what is refused changes nothing");
        }
        let _ = context.set(number, value);
        let _ = context.get(number, &mut [0; 8]);
    }
    let _ = options::curve_key(input.bytes(41));
}

fn read(socket: &SocketOptions, number: i32, room: usize) -> (bool, Vec<u8>) {
    let mut out = vec![0; room];
    let size = socket.get(number, &mut out);
    if let Ok(size) = size {
        assert!(size <= room, "no more is reported than there is room for");
    }
    (size.is_ok(), out)
}
