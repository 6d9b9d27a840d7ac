//! The certificates that a side trusts.

use super::system;
use crate::sys::environment;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};
use std::sync::Arc;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::asn1::{PrintableStringRef, Utf8StringRef};
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;
use x509_cert::der::oid::db::rfc5280::ID_CE_SUBJECT_ALT_NAME;

/// Trusts servers with a certificate of a trusted authority, and servers whose own certificate is listed.
/// Most of the latter are self-signed. The web's rules reject those; libzmq's (GnuTLS) accept them.
#[derive(Debug)]
pub struct Trust {
    listed: Vec<CertificateDer<'static>>,
    /// A listed certificate has to be for the server's name, too.
    named: bool,
    /// `None` if there is no authority.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Trust {
    pub fn new(
        listed: Vec<CertificateDer<'static>>,
        trusts_system: bool,
        named: bool,
        provider: &Arc<CryptoProvider>,
    ) -> Trust {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(listed.iter().cloned());
        if trusts_system {
            roots.add_parsable_certificates(system::certificates(environment::is_secure()));
        }
        let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let algorithms = provider.signature_verification_algorithms;
        Trust { listed, named, authorities: authorities.build().ok(), algorithms }
    }

    fn check_listed(
        &self,
        der: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let certificate = valid_at(der, now)?;
        if !self.named || verify_server_name(&ParsedCertificate::try_from(der)?, name).is_ok() {
            return Ok(());
        }
        if is_called(&certificate, &name.to_str()) {
            return Ok(());
        }
        Err(CertificateError::NotValidForName.into())
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.listed.contains(end_entity) {
            self.check_listed(end_entity, server_name, now)?;
            return Ok(ServerCertVerified::assertion());
        }
        let authorities = self.authorities.as_ref().ok_or(CertificateError::UnknownIssuer)?;
        authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Trusts clients in the same way: by authorities, and by their own certificates.
#[derive(Debug)]
pub struct ClientTrust {
    listed: Vec<CertificateDer<'static>>,
    /// A client without a certificate is refused.
    demanded: bool,
    /// `None` if there is no authority.
    authorities: Option<Arc<dyn ClientCertVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientTrust {
    pub fn new(
        listed: Vec<CertificateDer<'static>>,
        demanded: bool,
        provider: &Arc<CryptoProvider>,
    ) -> ClientTrust {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(listed.iter().cloned());
        let authorities = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let algorithms = provider.signature_verification_algorithms;
        ClientTrust { listed, demanded, authorities: authorities.build().ok(), algorithms }
    }
}

impl ClientCertVerifier for ClientTrust {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.authorities.as_ref().map_or(&[], |authorities| authorities.root_hint_subjects())
    }

    fn client_auth_mandatory(&self) -> bool {
        self.demanded
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.listed.contains(end_entity) {
            valid_at(end_entity, now)?;
            return Ok(ClientCertVerified::assertion());
        }
        let authorities = self.authorities.as_ref().ok_or(CertificateError::UnknownIssuer)?;
        authorities.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// A certificate, if it is valid at a time.
fn valid_at(der: &CertificateDer<'_>, now: UnixTime) -> Result<Certificate, Error> {
    let certificate = Certificate::from_der(der).map_err(|_| CertificateError::BadEncoding)?;
    let validity = certificate.tbs_certificate().validity();
    if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired.into());
    }
    Ok(certificate)
}

/// Old certificates, and many made by hand, have their name only in the subject's common name.
fn is_called(certificate: &Certificate, name: &str) -> bool {
    let certificate = certificate.tbs_certificate();
    let extensions = certificate.extensions().map(Vec::as_slice).unwrap_or_default();
    if extensions.iter().any(|extension| extension.extn_id == ID_CE_SUBJECT_ALT_NAME) {
        return false;
    }
    let attributes = certificate.subject().iter_rdn().flat_map(|rdn| rdn.iter());
    let mut names = attributes.filter(|attribute| attribute.oid == COMMON_NAME);
    names.any(|attribute| {
        let value = &attribute.value;
        let utf8 = value.decode_as::<Utf8StringRef<'_>>().map(|text| text.as_str().to_owned());
        let text = utf8
            .or_else(|_| value.decode_as::<PrintableStringRef<'_>>().map(|text| text.as_str().to_owned()));
        text.is_ok_and(|text| text.eq_ignore_ascii_case(name))
    })
}
