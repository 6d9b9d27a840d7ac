//! `ferrozmq keygen`.

use crate::certificate::{Certificate, Files, Metadata};
use crate::cli::Keygen;
use crate::failure::{self, Failure};
use crate::outcome::Outcome;
use serde_json::json;
use zmq::security::certificate::Certificate as Pair;

pub fn run(options: &Keygen) -> Result<Outcome, Failure> {
    let name = options.name.clone().unwrap_or_else(host);
    let files = Files::new(&options.out, &name)?;
    let mut metadata =
        options.metadata.iter().map(|text| Metadata::parse(text)).collect::<Result<Vec<_>, _>>()?;
    if !metadata.iter().any(Metadata::is_name) {
        metadata.insert(0, Metadata::name(&name)?);
    }
    let pair = match options.qzmq {
        true => Pair::generate_qzmq(None, options.suite.into()),
        false => Pair::generate(None),
    };
    let pair = pair.map_err(|_| Failure::new("the system gives no random numbers"))?;
    let certificate = Certificate::of(metadata, &pair)?;
    files.write(&certificate)?;
    let fingerprint = pair.fingerprint();
    let (public_file, secret_file) = (files.public.display(), files.secret.display());
    let fingerprint_file = certificate.fingerprint.as_ref().map(|_| files.fingerprint.display().to_string());
    failure::print(&match options.json {
        true => format!(
            "{}\n",
            json!({
                "name": name,
                "public_file": public_file.to_string(),
                "secret_file": secret_file.to_string(),
                "fingerprint_file": fingerprint_file,
                "public_key": certificate.public,
                "fingerprint": fingerprint,
            })
        ),
        // A public key of QZMQ would fill the screen.
        false => match fingerprint_file {
            Some(file) => format!(
                "public file  {public_file}\nsecret file  {secret_file}\nfor folders  {file}\nfingerprint  {fingerprint}\n"
            ),
            None => format!(
                "public file  {public_file}\nsecret file  {secret_file}\npublic key   {}\nfingerprint  {fingerprint}\n",
                certificate.public
            ),
        },
    })?;
    Ok(Outcome::Yes)
}

/// This machine's name, up to its first dot.
fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    name.split('.').next().unwrap_or_default().to_owned()
}
