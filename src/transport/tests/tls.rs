//! `wss://` and `tls://`.
use super::*;

#[test]
fn tls_requires_a_certificate_to_bind_and_a_name_to_connect() {
    let mut options = options();
    assert_eq!(bound("wss://127.0.0.1:*", &options).unwrap_err(), Errno::INVAL);
    options.wss_cert_pem = include_str!("../../../tests/wss/cert.pem").into();
    assert_eq!(bound("wss://127.0.0.1:*", &options).unwrap_err(), Errno::INVAL, "no key");
    options.wss_key_pem = include_str!("../../../tests/wss/key.pem").into();
    let listener = bound("wss://127.0.0.1:*", &options).unwrap();
    assert!(listener.last_endpoint().starts_with("wss://127.0.0.1:"));
    let _client = connected(listener.last_endpoint(), &options).unwrap();
    assert!(accepted(&listener).unwrap().layers.tls.is_some());
    options.wss_trust_pem = "nonsense".into();
    assert_eq!(planned("wss://127.0.0.1:5", &options).unwrap_err(), Errno::INVAL);
}

#[test]
fn tls_endpoints_are_as_tcp_ones_with_a_layer() {
    let mut options = options();
    assert_eq!(bound("tls://127.0.0.1:*", &options).unwrap_err(), Errno::INVAL, "no certificate");
    options.wss_cert_pem = include_str!("../../../tests/tls/server.pem").into();
    options.wss_key_pem = include_str!("../../../tests/tls/server.key.pem").into();
    let listener = bound("tls://127.0.0.1:*", &options).unwrap();
    let endpoint = listener.last_endpoint().to_owned();
    let client = connected(&endpoint, &options).unwrap();
    let server = accepted(&listener).unwrap();
    assert!(server.layers.tls.is_some() && server.layers.ws.is_none());
    assert_eq!((server.local.as_str(), server.peer_address.as_str()), (endpoint.as_str(), "127.0.0.1"));
    assert!(server.peer.starts_with("tls://127.0.0.1:"));
    assert_eq!(endpoints_of(Scheme::Tls, client.as_fd()), (server.peer, endpoint));
    let plan = planned("tls://127.0.0.1:7;localhost:5", &options).unwrap();
    assert_eq!(plan.endpoint(), "tls://127.0.0.1:7;localhost:5");
    let settings = format!("{:?}", plan.layers().tls);
    assert!(settings.contains("localhost") && !settings.contains("KEY"), "{settings}");
    let place = Destination::Ip("127.0.0.1:5".parse().unwrap());
    assert_eq!(plan.resolved_endpoint(&place), "tls://127.0.0.1:5");
    for bad in ["tls://127.0.0.1", "tls://127.0.0.1:5/path", "tls://127.0.0.1:*", "tls://:5"] {
        assert_eq!(planned(bad, &options).unwrap_err(), Errno::INVAL, "{bad}");
    }
    options.tls_client_trust_pem = "nonsense".into();
    assert_eq!(bound("tls://127.0.0.1:*", &options).unwrap_err(), Errno::INVAL);
    options.wss_key_pem = "".into();
    assert_eq!(planned("tls://127.0.0.1:5", &options).unwrap_err(), Errno::INVAL, "half of its own");
    assert_eq!(compatible(Scheme::Tls, SocketType::Stream), Err(Errno::NOCOMPATPROTO));
    options.raw_socket = true;
    assert_eq!(bound("tls://127.0.0.1:*", &options).unwrap_err(), Errno::NOCOMPATPROTO);
    assert_eq!(planned("tls://127.0.0.1:5", &options).unwrap_err(), Errno::NOCOMPATPROTO);
}
