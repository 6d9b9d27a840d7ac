//! `ferrozmq keygen`.

use crate::certificate::{Certificate, Files, Metadata};
use crate::cli::Keygen;
use crate::failure::{self, Failure};
use crate::outcome::Outcome;
use serde_json::json;
use zmq::crypto::fingerprint;
use zmq::crypto::keys::keypair;
use zmq::z85;

pub fn run(options: &Keygen) -> Result<Outcome, Failure> {
    let name = options.name.clone().unwrap_or_else(host);
    let files = Files::new(&options.out, &name)?;
    let mut metadata =
        options.metadata.iter().map(|text| Metadata::parse(text)).collect::<Result<Vec<_>, _>>()?;
    if !metadata.iter().any(Metadata::is_name) {
        metadata.insert(0, Metadata::name(&name)?);
    }
    let (public, secret) = keypair().map_err(|_| Failure::new("the system gives no random numbers"))?;
    // Keys of 32 bytes can be written as Z85.
    let text = |key: &[u8]| z85::encode(key).map_err(|_| Failure::new("a key of the wrong size"));
    let certificate = Certificate {
        metadata,
        public: text(public.as_bytes())?.to_string(),
        secret: text(secret.as_bytes())?,
    };
    files.write(&certificate)?;
    let fingerprint = fingerprint(public.as_bytes());
    let (public_file, secret_file) = (files.public.display(), files.secret.display());
    failure::print(&match options.json {
        true => format!(
            "{}\n",
            json!({
                "name": name,
                "public_file": public_file.to_string(),
                "secret_file": secret_file.to_string(),
                "public_key": certificate.public,
                "fingerprint": fingerprint,
            })
        ),
        false => format!(
            "public file  {public_file}\nsecret file  {secret_file}\npublic key   {}\nfingerprint  {fingerprint}\n",
            certificate.public
        ),
    })?;
    Ok(Outcome::Yes)
}

/// This machine's name, up to its first dot.
fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    name.split('.').next().unwrap_or_default().to_owned()
}
