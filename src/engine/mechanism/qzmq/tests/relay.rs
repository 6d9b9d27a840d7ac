//! A relay that edits bytes on the way.

use super::{Side, configs, talk};
use crate::crypto::KemSuite;

/// The bytes of each flight of an honest handshake.
fn flights(kem: KemSuite) -> Vec<usize> {
    let (mine, theirs) = configs(kem);
    let mut lengths = Vec::new();
    let (client, server) = talk(&mine, &theirs, |_, bytes| lengths.push(bytes.len()));
    assert!(client.is_done() && server.is_done());
    lengths
}

/// Whether the side that gets the flight goes through with it, where one byte of it is changed.
fn survives(kem: KemSuite, flight: usize, at: usize) -> bool {
    let (mine, theirs) = configs(kem);
    let (client, server) = talk(&mine, &theirs, |number, bytes| {
        if number == flight {
            bytes[at] ^= 1 << (at % 8);
        }
    });
    let gets: &Side = if flight.is_multiple_of(2) { &server } else { &client };
    gets.is_done()
}

#[test]
fn no_edited_byte_leads_to_data() {
    for (flight, len) in flights(KemSuite::XWing).into_iter().enumerate() {
        for at in 0..len {
            assert!(!survives(KemSuite::XWing, flight, at), "byte {at} of flight {flight}");
        }
    }
}

#[test]
fn edited_bytes_of_the_other_kem_lead_to_no_data_either() {
    for (flight, len) in flights(KemSuite::MlKem1024).into_iter().enumerate() {
        for at in (0..len).filter(|at| at % 97 == 0 || *at < 120 || at + 40 > len) {
            assert!(!survives(KemSuite::MlKem1024, flight, at), "byte {at} of flight {flight}");
        }
    }
}

#[test]
fn bytes_left_out_or_put_in_lead_to_no_data() {
    for (flight, len) in flights(KemSuite::XWing).into_iter().enumerate() {
        for at in (0..len).step_by(61) {
            for cut in [true, false] {
                let (mine, theirs) = configs(KemSuite::XWing);
                let (client, server) = talk(&mine, &theirs, |number, bytes| {
                    if number == flight && cut {
                        bytes.remove(at);
                    } else if number == flight {
                        bytes.insert(at, bytes[at] ^ 0x55);
                    }
                });
                let gets = if flight.is_multiple_of(2) { server } else { client };
                assert!(!gets.is_done(), "byte {at} of flight {flight}, {cut}");
            }
        }
    }
}
