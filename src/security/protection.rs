//! What the handshakes of one endpoint get, from the files as they are then.
//!
//! The number of files and their sizes have bounds. Each is looked at once a second at most, and only those that have changed are read.
//! No I/O thread waits for a file system that hangs (`watch`).

use super::allowed::Folder;
use super::authenticator::{self, Answer, Clients};
#[cfg(feature = "qzmq")]
use super::authorities;
use super::certificate::Certificate;
use super::endpoint_keys::{self, Named};
use super::fault::Fault;
use super::file::{Allow, Limits, LogSettings, Place, Policy, Settings, Side};
use super::handshake_keys::{Makings, Served, ask, serve, with_curve};
use super::key_changes;
use super::keys::Kind;
use super::passwords::{Users, read_password};
use super::reload::{Content, FileLook};
#[cfg(feature = "qzmq")]
use super::revoked::RevokedLook;
use super::rules::{Scene, Terms, Verdict, decide, wildcard};
#[cfg(feature = "qzmq")]
use super::trust::{Followed, Sources};
use super::watch::{Look, Patience, Watch};
use crate::audit;
#[cfg(feature = "qzmq")]
use crate::crypto::{Certificate as Signed, DsaPublic, Roles};
use crate::engine::{Security, ZapRequest, ZapStatus};
use crate::errno::Errno;
use crate::options::Mechanism;
use crate::sys::credentials::effective_uid;
use crate::sys::lock::Lock;
use crate::sys::log::{self, Filter, Level, Notice, Subsystem};
use crate::transport::{Role, Scheme, local_user};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The variable of the environment that names the file of all contexts. One that is set and empty is a mistake.
pub const SECURITY: &str = "FERROZMQ_SECURITY";

/// A security file and the files that it names, as they are when they are needed. Any thread may ask.
pub struct SecurityFile {
    path: PathBuf,
    policy: Arc<Watch<FileLook<Policy>>>,
    state: Lock<State>,
}

#[derive(Default)]
struct State {
    /// The policy that was last acted on.
    policy: Option<Arc<Policy>>,
    files: Files,
    /// The last policy said what is logged.
    logs: bool,
}

static READ: Notice = Notice::new(Subsystem::Security, Level::Info);

type Watches<L> = HashMap<PathBuf, Arc<Watch<L>>>;

/// What the policy names. What it names no more is forgotten when it changes.
#[derive(Default)]
struct Files {
    #[cfg(feature = "qzmq")]
    authorities: Watches<FileLook<DsaPublic>>,
    #[cfg(feature = "qzmq")]
    revoked: Watches<RevokedLook>,
    #[cfg(feature = "qzmq")]
    certificates: Watches<FileLook<Signed>>,
    public: Watches<FileLook<Certificate>>,
    secret: Watches<FileLook<Certificate>>,
    folders: Watches<Folder>,
    users: Watches<FileLook<Users>>,
    passwords: Watches<FileLook<Zeroizing<Vec<u8>>>>,
    /// The client's pairs where the policy names none, at most one of each kind.
    fresh: Vec<Arc<Certificate>>,
}

/// An endpoint that a security file decides about.
pub struct Protection {
    file: Arc<SecurityFile>,
    scene: Scene,
    /// To be bound instead of what the program wrote.
    pub address: Option<String>,
    /// Peers of other users are kept out of a bound `ipc://` endpoint.
    pub ipc_same_user: bool,
    pub limits: Limits,
    /// The place was not known when the endpoint was decided about.
    is_open: bool,
    served: Lock<Option<Served>>,
    #[cfg(feature = "qzmq")]
    trust: Lock<Followed>,
    /// For the audit trail.
    told: Lock<key_changes::Keys>,
}

impl SecurityFile {
    /// Nothing is read yet. A relative path counts from the folder that the process works in now: the program may go to another one, in
    /// which others may write.
    pub fn new(path: &Path) -> SecurityFile {
        // An empty one stays so, which is a mistake of its own, and so does one whose folder is gone.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let read =
            |path: &Path, content: &Content| Policy::of(path, content).map_err(|faults| first(path, faults));
        let policy = Watch::new(path.clone(), FileLook::new(&path, read));
        SecurityFile { path, policy, state: Lock::default() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What an endpoint that is about to be bound or connected gets; `None` where it is left alone. All that its handshakes will need
    /// is looked at now.
    pub fn protect(self: &Arc<Self>, scene: &Scene) -> Result<Option<Protection>, Fault> {
        let policy = self.policy(Patience::Call)?;
        if let Some(place) = &policy.audit {
            self.begin_audit(place)?;
        }
        let terms = match decide(&policy, scene) {
            Verdict::Alone(_) => return Ok(None),
            Verdict::Refused(fault) => return Err(fault),
            Verdict::Secured(terms) => terms,
        };
        if let Some(warning) = &terms.warning {
            log::complain((Subsystem::Security, Level::Warn), format_args!("warning: {warning}"));
        }
        let protection = Protection {
            file: Arc::clone(self),
            address: terms.address.clone(),
            ipc_same_user: terms.settings.ipc_same_user,
            limits: terms.settings.limits,
            is_open: terms.is_open,
            served: Lock::default(),
            #[cfg(feature = "qzmq")]
            trust: Lock::default(),
            told: Lock::default(),
            scene: scene.clone(),
        };
        protection.keys(&terms, Patience::Call)?;
        match (terms.side, terms.mechanism) {
            (Side::Server, Mechanism::Curve) => {
                protection.told.lock().let_in(&self.clients(&terms, Patience::Call)?)
            }
            (Side::Server, Mechanism::Plain) => drop(self.users(&terms, Patience::Call)?),
            _ => {}
        }
        Ok(Some(protection))
    }

    /// Switches the audit trail on. A program without the trail that it was to have is not to run on.
    fn begin_audit(&self, place: &Place) -> Result<(), Fault> {
        audit::switch_on(&place.path).map_err(|errno| {
            let line = Some(place.line);
            if errno == Errno::EXIST {
                let what = "the audit trail is written to another file already";
                return Fault::mistake(&self.path, line, what, "name the same file, or none");
            }
            let what = format!("the audit trail cannot be written to {}: {errno}", place.path.display());
            let what_to_do = match audit::is_refused_link(&place.path) {
                true => "name the file that this symbolic link leads to",
                false => "let the user that runs the program write there",
            };
            Fault::denial(&self.path, line, what, what_to_do)
        })
    }

    /// Has the log be as the policy says, where the environment does not say it. A policy that says nothing any more ends what an
    /// earlier one began. Answers whether this one says something.
    fn begin_log(&self, policy: &Policy, logged: bool) -> bool {
        let Some(LogSettings { filter, file }) = &policy.log else {
            if logged {
                log::configure(Filter::OFF, None);
            }
            return false;
        };
        if !log::configure(*filter, file.as_ref().map(|place| place.path.as_path())) {
            let what = "the log is written to another file already";
            let line = file.as_ref().map(|place| place.line);
            let fault = Fault::mistake(&self.path, line, what, "name the same file, or none");
            log::complain((Subsystem::Security, Level::Warn), format_args!("{fault}"));
        }
        true
    }

    /// The policy now.
    fn policy(&self, patience: Patience) -> Result<Arc<Policy>, Fault> {
        if self.path.as_os_str().is_empty() {
            // Of a script whose own variable was not set, as a rule: it is not to run in the clear for that.
            let (what, what_to_do) = ("it is set and names no file", "name the file, or unset the variable");
            return Err(Fault::mistake(Path::new(SECURITY), None, what, what_to_do));
        }
        if !self.path.is_absolute() {
            let what = "it is a relative path, and the folder that the process works in was gone";
            return Err(Fault::mistake(&self.path, None, what, "name the file by its whole path"));
        }
        let policy = self.policy.now(patience)?;
        let state = &mut *self.state.lock();
        if state.policy.as_ref().is_none_or(|known| !Arc::ptr_eq(known, &policy)) {
            // The log may end with this policy, or begin.
            let line = format_args!("{}: read", self.path.display());
            let told = READ.is_on();
            READ.write(line);
            state.logs = self.begin_log(&policy, state.logs);
            if !told {
                READ.write(line);
            }
            state.files.keep(&policy);
            state.policy = Some(Arc::clone(&policy));
        }
        Ok(policy)
    }

    fn public(&self, place: &Place, patience: Patience) -> Result<Arc<Certificate>, Fault> {
        self.watched(|files| &mut files.public, place, Certificate::of_public, patience)
    }

    fn secret(&self, place: &Place, patience: Patience) -> Result<Arc<Certificate>, Fault> {
        self.watched(|files| &mut files.secret, place, Certificate::of_secret, patience)
    }

    /// What the trust by these terms comes from now.
    #[cfg(feature = "qzmq")]
    fn sources(&self, terms: &Terms<'_>, patience: Patience) -> Result<Sources, Fault> {
        let Settings { authorities, revoked, .. } = terms.settings;
        let authority =
            |place| self.watched(|files| &mut files.authorities, place, authorities::authority, patience);
        let list = |place| self.looked_at(|files| &mut files.revoked, place, RevokedLook::new, patience);
        Ok(Sources {
            authorities: authorities.iter().map(authority).collect::<Result<_, _>>()?,
            revoked: revoked.as_ref().map(list).transpose()?,
        })
    }

    #[cfg(feature = "qzmq")]
    fn certificate(&self, place: &Place, patience: Patience) -> Result<Arc<Signed>, Fault> {
        self.watched(|files| &mut files.certificates, place, authorities::certificate, patience)
    }

    fn users(&self, terms: &Terms<'_>, patience: Patience) -> Result<Arc<Users>, Fault> {
        let place = terms.settings.users.as_ref().ok_or_else(|| self.lack(terms, "users"))?;
        self.watched(|files| &mut files.users, place, Users::parse, patience)
    }

    fn password(&self, terms: &Terms<'_>, patience: Patience) -> Result<Arc<Zeroizing<Vec<u8>>>, Fault> {
        let place = terms.settings.password_file.as_ref().ok_or_else(|| self.lack(terms, "password_file"))?;
        self.watched(|files| &mut files.passwords, place, read_password, patience)
    }

    /// The value of a file that the policy names.
    fn watched<T: Send + Sync + 'static>(
        &self,
        of: fn(&mut Files) -> &mut Watches<FileLook<T>>,
        place: &Place,
        make: fn(&Path, &Content) -> Result<T, Fault>,
        patience: Patience,
    ) -> Result<Arc<T>, Fault> {
        self.looked_at(of, place, |path| FileLook::new(path, make), patience)
    }

    /// What a look at a file or folder finds that the policy names. No lock is held while that is read.
    fn looked_at<L: Look>(
        &self,
        of: fn(&mut Files) -> &mut Watches<L>,
        place: &Place,
        new: impl FnOnce(&Path) -> L,
        patience: Patience,
    ) -> Result<Arc<L::Value>, Fault> {
        let path = &place.path;
        let watch = {
            let files = &mut self.state.lock().files;
            let new = || Watch::new(path.clone(), new(path));
            Arc::clone(of(files).entry(path.clone()).or_insert_with(new))
        };
        watch.now(patience).map_err(|fault| fault.named_by(&self.path, place.line))
    }

    /// Rules refuse an endpoint without it.
    fn lack(&self, terms: &Terms<'_>, name: &str) -> Fault {
        Fault::mistake(&self.path, terms.rule, format!("there is no \"{name}\""), "name it")
    }

    fn fresh(&self, kind: Kind) -> Result<Arc<Certificate>, Fault> {
        let fresh = &mut self.state.lock().files.fresh;
        if let Some(pair) = fresh.iter().find(|pair| pair.public.kind() == kind) {
            return Ok(Arc::clone(pair));
        }
        let made = Certificate::generate_like(kind).map_err(|errno| {
            let fault =
                Fault::mistake(&self.path, None, "no key can be made", "the system has no random numbers");
            Fault { errno, ..fault }
        })?;
        let made = Arc::new(made);
        fresh.push(Arc::clone(&made));
        Ok(made)
    }

    /// The clients that the terms let in now.
    fn clients(&self, terms: &Terms<'_>, patience: Patience) -> Result<Clients, Fault> {
        match &terms.settings.allow {
            // Rules refuse an endpoint without it.
            None => Ok(Clients::Named(Arc::default())),
            Some(Allow::Any) => Ok(Clients::Any),
            Some(Allow::Keys(keys)) => Ok(Clients::Named(Arc::new(keys.iter().collect()))),
            Some(Allow::Folder(place)) => {
                let names = self.looked_at(|files| &mut files.folders, place, Folder::new, patience)?;
                Ok(Clients::Named(names))
            }
        }
    }
}

impl Files {
    /// Forgets what the policy does not name.
    fn keep(&mut self, policy: &Policy) {
        fn only<L: Look>(watches: &mut Watches<L>, named: &HashSet<&Path>) {
            watches.retain(|path, _| named.contains(path.as_path()));
        }
        let named = policy.places().map(|place| place.path.as_path()).collect();
        #[cfg(feature = "qzmq")]
        {
            only(&mut self.authorities, &named);
            only(&mut self.revoked, &named);
            only(&mut self.certificates, &named);
        }
        only(&mut self.public, &named);
        only(&mut self.secret, &named);
        only(&mut self.folders, &named);
        only(&mut self.users, &named);
        only(&mut self.passwords, &named);
    }
}

/// The fault that a program is told of.
fn first(file: &Path, faults: Vec<Fault>) -> Fault {
    let unsaid = || Fault::mistake(file, None, "it is at fault", "see what `ferrozmq check` says");
    faults.into_iter().next().unwrap_or_else(unsaid)
}

impl Protection {
    /// The mechanism and keys for a handshake that begins now. `now_ms` is of any clock that does not go back.
    pub fn security(&self, now_ms: u64) -> Result<Security, Fault> {
        let policy = self.file.policy(Patience::Moment)?;
        let security = self.keys(&self.terms(&policy)?, Patience::Moment)?;
        security.note_connection(now_ms);
        Ok(security)
    }

    /// The answer about a peer, where the program has no ZAP handler. Where a file is at fault the peer may come again.
    ///
    /// `None`: the file has no say, as the mechanism is to be NULL. The program's ZAP domain has the session ask, and no authenticator answers.
    pub fn answer(&self, request: &ZapRequest) -> Option<Answer> {
        static NOTICE: Notice = Notice::new(Subsystem::Security, Level::Error);
        self.try_to_answer(request).unwrap_or_else(|fault| {
            NOTICE.complain(format_args!("a peer is refused for now: {fault}"));
            Some(Answer::Now(authenticator::refuse(ZapStatus::TemporaryError)))
        })
    }

    fn try_to_answer(&self, request: &ZapRequest) -> Result<Option<Answer>, Fault> {
        let policy = self.file.policy(Patience::Moment)?;
        let terms = self.terms(&policy)?;
        Ok(Some(match (terms.mechanism, request.mechanism) {
            (Mechanism::Curve, "CURVE" | "QZMQ") if let Some(name) = &request.certified => {
                Answer::Now(authenticator::certified(request, name))
            }
            (Mechanism::Curve, "CURVE") => {
                let clients = self.file.clients(&terms, Patience::Moment)?;
                self.told.lock().let_in(&clients);
                Answer::Now(authenticator::curve(request, &clients))
            }
            (Mechanism::Plain, "PLAIN") => {
                authenticator::plain(request, &*self.file.users(&terms, Patience::Moment)?)
            }
            (Mechanism::Null, "NULL") => return Ok(None),
            // The policy has changed since the handshake began.
            _ => Answer::Now(authenticator::refuse(ZapStatus::TemporaryError)),
        }))
    }

    /// The keys that have come and gone since this was last called, as far as a handshake has met with that.
    pub fn take_key_news(&self) -> key_changes::News {
        self.told.lock().take_news()
    }

    /// Whether a peer may connect now, by its address as the authenticator is told it. Where the file is at fault none may.
    pub fn admits(&self, peer_address: &str) -> bool {
        static NOTICE: Notice = Notice::new(Subsystem::Security, Level::Error);
        let (address, _zone) = peer_address.split_once('%').unwrap_or((peer_address, ""));
        // Peers of `ipc://` have no address.
        let Ok(peer) = address.parse::<IpAddr>() else { return true };
        let admitted = self.file.policy(Patience::Moment).and_then(|policy| {
            let terms = self.terms(&policy)?;
            Ok(terms.settings.addresses.admit(peer))
        });
        admitted.unwrap_or_else(|fault| {
            NOTICE.complain(format_args!("a peer is kept out for now: {fault}"));
            false
        })
    }

    /// Refuses a listener of another user, where those are none to connect to. The superuser listens for others, as systemd does.
    pub fn check_listener(&self, peer_address: &str) -> Result<(), Fault> {
        if self.scene.scheme != Scheme::Ipc || self.scene.role != Role::Connects {
            return Ok(());
        }
        let policy = self.file.policy(Patience::Moment)?;
        let terms = self.terms(&policy)?;
        let user = local_user(peer_address);
        if !terms.settings.ipc_same_user || user.is_some_and(|user| [0, effective_uid()].contains(&user)) {
            return Ok(());
        }
        let what = format!("another user listens at {} (ipc_same_user)", self.scene.endpoint);
        Err(Fault::denial(&policy.file, terms.rule, what, "see whose process it is"))
    }

    /// Decides about the endpoint as the system has bound it, or as it sends there: a name, an interface or a descriptor of the program may
    /// stand for any address. From then on that place counts.
    pub fn settle(mut self, endpoint: &str) -> Result<Protection, Fault> {
        let address = endpoint.split_once("://").map_or(endpoint, |(_, address)| address);
        self.scene = Scene { address: address.to_owned(), settled: true, ..self.scene };
        let policy = self.file.policy(Patience::Call)?;
        let terms = self.terms(&policy)?;
        if let Some(fault) = wildcard(&policy, &self.scene, &terms) {
            return Err(fault);
        }
        if let Some(warning) = terms.warning.filter(|_| self.is_open) {
            log::complain((Subsystem::Security, Level::Warn), format_args!("warning: {warning}"));
        }
        Ok(self)
    }

    fn terms<'p>(&self, policy: &'p Policy) -> Result<Terms<'p>, Fault> {
        match decide(policy, &self.scene) {
            Verdict::Secured(terms) => Ok(terms),
            Verdict::Refused(fault) => Err(fault),
            Verdict::Alone(why) => {
                Err(Fault::mistake(&policy.file, None, why, "bind or connect the endpoint again"))
            }
        }
    }

    fn keys(&self, terms: &Terms<'_>, patience: Patience) -> Result<Security, Fault> {
        match (terms.mechanism, terms.side) {
            (Mechanism::Curve, Side::Server) => self.server_keys(terms, patience),
            (Mechanism::Curve, Side::Client) => self.client_keys(terms, patience),
            (Mechanism::Plain, Side::Server) => Ok(Security::PlainServer),
            (Mechanism::Plain, Side::Client) => Ok(Security::PlainClient {
                username: Zeroizing::new(terms.settings.username.clone().unwrap_or_default().into_bytes()),
                password: Zeroizing::clone(&*self.file.password(terms, patience)?),
            }),
            _ => Ok(Security::Null),
        }
    }

    fn server_keys(&self, terms: &Terms<'_>, patience: Patience) -> Result<Security, Fault> {
        let read = terms.settings.server_key.iter().map(|place| self.file.secret(place, patience));
        let from = read.collect::<Result<Vec<_>, Fault>>()?;
        let shown = terms.settings.server_certificate.as_ref();
        let beside = terms.settings.migration.server_key.as_ref();
        let beside = beside.map(|place| self.file.secret(place, patience)).transpose()?;
        let keys = (from, beside.into_iter().collect(), None);
        let makings = self.makings(terms, keys, (shown, Side::Server), patience)?;
        self.served(makings, |makings| {
            let secrets = endpoint_keys::of_server(self.named(terms), makings.keys())?;
            let security = serve(&secrets, makings).map_err(|errno| match errno {
                Errno::INVAL => self.file.lack(terms, "server_key"),
                _ => {
                    let what = "there are too many server keys";
                    Fault::mistake(&self.file.path, terms.rule, what, "take some out")
                }
            })?;
            self.check_migration(terms, makings)?;
            let fingerprints = makings.all().map(Certificate::fingerprint).collect();
            self.told.lock().serve(fingerprints, security.mechanism());
            Ok(with_curve(security, makings))
        })
    }

    fn client_keys(&self, terms: &Terms<'_>, patience: Patience) -> Result<Security, Fault> {
        let Settings { server_public, server_name, client_key, client_certificate, .. } = terms.settings;
        let lack = || self.file.lack(terms, "server_public");
        let known = server_public.as_ref().map(|place| self.file.public(place, patience)).transpose()?;
        let own = client_key.as_ref().map(|place| self.file.secret(place, patience)).transpose()?;
        let own = match (own, &known) {
            (Some(own), _) => own,
            (None, Some(known)) => self.file.fresh(known.public.kind())?,
            (None, None) => self.file.fresh(terms.settings.qzmq.kind_of_names().ok_or_else(lack)?)?,
        };
        if let Some(known) = &known {
            endpoint_keys::check_client(self.named(terms), &known.public, &own.public)?;
        }
        let name = server_name.clone().filter(|_| known.is_none());
        let from = [own].into_iter().chain(known).collect();
        let migration = &terms.settings.migration;
        let beside = match (&migration.client_key, &migration.server_public) {
            (Some(own), Some(server)) => {
                vec![self.file.secret(own, patience)?, self.file.public(server, patience)?]
            }
            _ => Vec::new(),
        };
        let shown = (client_certificate.as_ref(), Side::Client);
        let makings = self.makings(terms, (from, beside, name), shown, patience)?;
        self.served(makings, |makings| {
            self.check_migration(terms, makings)?;
            let security = ask(&makings.from, makings).ok_or_else(lack)?;
            Ok(with_curve(security, makings))
        })
    }

    fn check_migration(&self, terms: &Terms<'_>, makings: &Makings) -> Result<(), Fault> {
        let Some(own) = makings.from.first() else { return Ok(()) };
        let check = |beside: &Arc<Certificate>| {
            endpoint_keys::check_migration(self.named(terms), own.public.kind(), beside.public.kind())
        };
        makings.beside.iter().try_for_each(check)
    }

    /// What an endpoint's keys are made of. `shown`: its certificate.
    fn makings(
        &self,
        terms: &Terms<'_>,
        (from, beside, name): (Vec<Arc<Certificate>>, Vec<Arc<Certificate>>, Option<String>),
        (shown, side): (Option<&Place>, Side),
        patience: Patience,
    ) -> Result<Makings, Fault> {
        if let Some(own) = from.first() {
            endpoint_keys::check_idle(self.named(terms), terms.settings, own.public.kind(), side)?;
        }
        #[cfg(feature = "qzmq")]
        {
            let read = shown.map(|place| self.file.certificate(place, patience)).transpose()?;
            if let (Some(certificate), Some(place)) = (&read, shown) {
                let role = if side == Side::Server { Roles::Server } else { Roles::Client };
                let keys = from.iter().filter(|key| key.secret.is_some()).map(|key| &key.public);
                endpoint_keys::check_certificate(certificate, place, keys, role)
                    .map_err(|fault| fault.named_by(&self.file.path, place.line))?;
            }
            let trusted = self.trust.lock().follow(self.file.sources(terms, patience)?);
            let qzmq = &terms.settings.qzmq;
            qzmq.check(&self.file.path, from.iter().map(|key| key.public.kind()))?;
            Ok(Makings { from, beside, name, certificate: read, trusted, settings: qzmq.spoken() })
        }
        #[cfg(not(feature = "qzmq"))]
        {
            let _ = (shown, patience);
            Ok(Makings { from, beside, name })
        }
    }

    /// What was made of the same before, or is made now.
    fn served(
        &self,
        makings: Makings,
        make: impl FnOnce(&Makings) -> Result<Security, Fault>,
    ) -> Result<Security, Fault> {
        let mut served = self.served.lock();
        if let Some(served) = &*served
            && makings.are_those_of(served)
        {
            return Ok(served.security.clone());
        }
        let security = make(&makings)?;
        *served = Some(makings.served(security.clone()));
        Ok(security)
    }

    fn named(&self, terms: &Terms<'_>) -> Named<'_> {
        Named { file: &self.file.path, line: terms.rule }
    }
}
