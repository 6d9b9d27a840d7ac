//! One HTTP request and what it is answered with. Pure.

use super::exposition::Format;

const MAX_HEADERS: usize = 64;

/// What a request asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wanted {
    Index,
    Metrics(Format),
    QzmqMetrics(Format),
    QzmqStatus,
}

/// The head of a request, as far as it has come.
#[derive(Debug, Eq, PartialEq)]
pub enum Head {
    Partial,
    /// With whether a body is to be sent: not for HEAD.
    Whole {
        wanted: Result<Wanted, Refusal>,
        has_body: bool,
    },
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    Malformed,
    NotFound,
    Method,
    TooLarge,
    Busy,
}

impl Refusal {
    pub fn status(self) -> &'static str {
        match self {
            Refusal::Malformed => "400 Bad Request",
            Refusal::NotFound => "404 Not Found",
            Refusal::Method => "405 Method Not Allowed",
            Refusal::TooLarge => "431 Request Header Fields Too Large",
            Refusal::Busy => "503 Service Unavailable",
        }
    }
}

pub fn parse(bytes: &[u8]) -> Head {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let refuse = |why| Head::Whole { wanted: Err(why), has_body: !is_head(bytes) };
    match request.parse(bytes) {
        Ok(httparse::Status::Partial) => return Head::Partial,
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return refuse(Refusal::TooLarge),
        Err(_) => return refuse(Refusal::Malformed),
    }
    let has_body = match request.method {
        Some("GET") => true,
        Some("HEAD") => false,
        _ => return refuse(Refusal::Method),
    };
    let path = request.path.unwrap_or_default();
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let accept = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("accept"));
    let accept: Vec<&str> = accept.filter_map(|header| std::str::from_utf8(header.value).ok()).collect();
    let format = || format(&accept.join(","));
    let wanted = match path {
        "/" => Ok(Wanted::Index),
        "/metrics" => Ok(Wanted::Metrics(format())),
        "/qzmq/metrics" => Ok(Wanted::QzmqMetrics(format())),
        "/qzmq/status" => Ok(Wanted::QzmqStatus),
        _ => Err(Refusal::NotFound),
    };
    Head::Whole { wanted, has_body }
}

/// Also of a request that cannot be understood: the client of a HEAD waits for no body.
pub fn is_head(bytes: &[u8]) -> bool {
    bytes.starts_with(b"HEAD ")
}

/// OpenMetrics for a client that likes it at least as well as plain text. Prometheus sends what it likes with weights.
fn format(accept: &str) -> Format {
    let weight = |names: &[&str]| {
        let ranges = accept.split(',').filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next()?;
            let has_other_version = parts.clone().any(|part| {
                part.strip_prefix("version=")
                    .is_some_and(|version| !["1.0.0", "0.0.4"].contains(&version.trim_matches('"')))
            });
            let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
            (names.iter().any(|wanted| name.eq_ignore_ascii_case(wanted)) && !has_other_version)
                .then_some(weight)
        });
        ranges.fold(0.0, f32::max)
    };
    let open = weight(&["application/openmetrics-text"]);
    if open > 0.0 && open >= weight(&["text/plain", "text/*"]) {
        Format::OpenMetrics
    } else {
        Format::Prometheus
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(head: &str) -> Result<Wanted, Refusal> {
        match parse(head.as_bytes()) {
            Head::Whole { wanted, .. } => wanted,
            Head::Partial => Err(Refusal::Malformed),
        }
    }

    #[test]
    fn paths_and_methods() {
        assert_eq!(wanted("GET / HTTP/1.1\r\n\r\n"), Ok(Wanted::Index));
        assert_eq!(wanted("GET /metrics?a=b HTTP/1.0\r\n\r\n"), Ok(Wanted::Metrics(Format::Prometheus)));
        assert_eq!(wanted("GET /qzmq/status HTTP/1.1\r\n\r\n"), Ok(Wanted::QzmqStatus));
        assert_eq!(wanted("GET /metrics/../x HTTP/1.1\r\n\r\n"), Err(Refusal::NotFound));
        assert_eq!(wanted("POST /metrics HTTP/1.1\r\n\r\n"), Err(Refusal::Method));
        assert_eq!(wanted("GET /metrics HTTP/9\r\n\r\n"), Err(Refusal::Malformed));
        assert_eq!(wanted("\x16\x03\x01\x02"), Err(Refusal::Malformed));
        let many = "a: b\r\n".repeat(MAX_HEADERS + 1);
        assert_eq!(wanted(&format!("GET / HTTP/1.1\r\n{many}\r\n")), Err(Refusal::TooLarge));
        assert_eq!(parse(b"GET /metrics HTTP/1.1\r\nHost: a\r\n"), Head::Partial);
        let head = parse(b"HEAD /metrics HTTP/1.1\r\n\r\n");
        assert_eq!(head, Head::Whole { wanted: Ok(Wanted::Metrics(Format::Prometheus)), has_body: false });
    }

    #[test]
    fn the_format_is_the_one_that_the_client_likes_best() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
            text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        assert_eq!(format(prometheus), Format::OpenMetrics);
        assert_eq!(format("application/openmetrics-text"), Format::OpenMetrics);
        assert_eq!(
            format("text/plain;version=0.0.4;q=0.9, application/openmetrics-text;q=0.1"),
            Format::Prometheus
        );
        assert_eq!(format("application/openmetrics-text;version=2.0.0"), Format::Prometheus);
        assert_eq!(format("application/openmetrics-text;q=0"), Format::Prometheus);
        for other in ["", "*/*", "text/html,*/*;q=0.8", ";;,,q=", "application/openmetrics-text;q=x;q="] {
            assert!(matches!(format(other), Format::Prometheus | Format::OpenMetrics));
        }
        assert_eq!(format("text/html,*/*;q=0.8"), Format::Prometheus);
    }
}
