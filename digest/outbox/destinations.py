"""Which mail system an address belongs to: the name that rates, windows and pauses go by.

Providers count what one sender brings to all of their domains together, so hotmail.fr and outlook.com share a limit.
The table groups the domains of big mailbox providers; any other domain is a destination by itself. Pure data.
"""


def of(domain: str) -> str:
    """The destination of a domain, which is in lower case with A-labels as `addresses` writes it."""
    return _NAMES.get(domain, domain)


def of_address(address: str) -> str:
    """The destination of a whole address, in its wire form."""
    return of(address[address.rfind("@") + 1 :].lower())


def _each(labels: str, suffixes: str) -> str:
    return " ".join(f"{label}.{suffix}" for label in labels.split() for suffix in suffixes.split())


# Suffixes under which the world-wide brands give out mailboxes. A name that was never given out does no harm.
_COUNTRIES = (
    "com at be ca ch cl co.id co.il co.in co.jp co.kr co.nz co.th co.uk co.za com.ar com.au com.br com.cn com.co com.gr"
    " com.hk com.mx com.my com.pe com.ph com.pt com.sa com.sg com.tr com.tw com.ua com.ve com.vn cz de dk ee es fi fr"
    " gr hr hu ie in it jp kr lt lv my net.nz nl no ph pl pt ro rs ru sa se sg si sk"
)

_TABLE = {
    # Google: both names are the same mailboxes. Google Workspace has its customers' domains, which only MX tells.
    "gmail": "gmail.com googlemail.com",
    # Microsoft's consumer service, one set of limits and one JMRP for all its brands (sendersupport.olc).
    "microsoft": _each("hotmail live outlook", _COUNTRIES) + " msn.com passport.com windowslive.com",
    # Yahoo Inc. runs Yahoo and AOL on one platform (senders.yahooinc.com), and the mailboxes of AT&T, Verizon, Cox,
    # Rogers and Frontier. yahoo.co.jp is another company.
    "yahoo": _each("yahoo aol", _COUNTRIES.replace("co.jp ", ""))
    + " ymail.com rocketmail.com myyahoo.com aim.com netscape.net verizon.net cox.net rogers.com att.net sbcglobal.net"
    " bellsouth.net pacbell.net ameritech.net swbell.net prodigy.net flash.net nvbell.net snet.net wans.net"
    " frontier.com frontiernet.net",
    "yahoo-japan": "yahoo.co.jp ymail.ne.jp",
    # Apple: one mailbox has all three names; Hide My Email relays through the same servers.
    "apple": "icloud.com me.com mac.com privaterelay.appleid.com",
    # United Internet: GMX, WEB.DE and mail.com share the postmaster.gmx.net rules.
    "gmx": _each("gmx", "net de at ch com fr co.uk us es eu info org biz li lu pt ru se sg tm ca hk ie it com.my")
    + " web.de email.de mail.com email.com",
    # Deutsche Telekom (postmaster.t-online.de): lists senders by IP address and answers 554 to unknown ones.
    "t-online": "t-online.de magenta.de",
    "freenet": "freenet.de",
    # Orange keeps the old name of its access business; at most two or three connections are taken from one sender.
    "orange": "orange.fr wanadoo.fr",
    # Iliad: free.fr and the access providers it took over (postmaster.free.fr).
    "free.fr": "free.fr aliceadsl.fr freesbee.fr libertysurf.fr worldonline.fr online.fr alicepro.fr",
    "sfr": "sfr.fr neuf.fr cegetel.net club-internet.fr numericable.fr 9online.fr noos.fr",
    "laposte": "laposte.net",
    # Italiaonline, and TIM with the access brands it bought.
    "libero": "libero.it iol.it inwind.it blu.it giallo.it virgilio.it",
    "tim": "tim.it alice.it tin.it",
    # VK: the names one may choose when signing up at mail.ru (postmaster.mail.ru).
    "mail.ru": "mail.ru bk.ru inbox.ru list.ru internet.ru xmail.ru",
    # Yandex: the same mailbox answers under every country's name (postmaster.yandex.ru).
    "yandex": _each("yandex", "ru com by kz ua com.tr com.am com.ge uz tm md") + " ya.ru narod.ru",
    "rambler": "rambler.ru lenta.ru autorambler.ru myrambler.ru ro.ru",
    # Tencent and NetEase sell several names for one service.
    "qq": "qq.com vip.qq.com foxmail.com",
    "netease": "163.com vip.163.com 126.com vip.126.com yeah.net 188.com",
    "sina": "sina.com sina.cn vip.sina.com",
    "naver": "naver.com",
    "daum": "daum.net hanmail.net kakao.com",
    # Poland: Wirtualna Polska, Onet and Interia with their older brands.
    "wp": "wp.pl o2.pl tlen.pl go2.pl",
    "onet": "onet.pl onet.eu op.pl vp.pl poczta.onet.pl poczta.onet.eu",
    "interia": "interia.pl interia.eu interia.com poczta.fm",
    "seznam": "seznam.cz email.cz post.cz spoluzaci.cz",
    # The United Kingdom, the Netherlands, Belgium: access providers and what they merged with.
    "bt": "btinternet.com btopenworld.com talk21.com",
    "virgin": "virginmedia.com ntlworld.com blueyonder.co.uk virgin.net",
    "ziggo": "ziggo.nl home.nl upcmail.nl chello.nl casema.nl quicknet.nl",
    "kpn": "kpnmail.nl kpnplanet.nl planet.nl hetnet.nl",
    "proximus": "proximus.be skynet.be belgacom.net",
    # The private mailboxes of Proton and Fastmail go by several names each.
    "proton": "proton.me protonmail.com protonmail.ch pm.me",
    "fastmail": "fastmail.com fastmail.fm fastmail.net sent.com",
    "uol": "uol.com.br bol.com.br",
}

GROUPS = {name: tuple(domains.split()) for name, domains in _TABLE.items()}
_NAMES = {domain: name for name, domains in GROUPS.items() for domain in domains}
