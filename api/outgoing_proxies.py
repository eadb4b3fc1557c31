"""Find the proxy for a URL in HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY.

This machine and the hosts of the web app and the API are never reached through a proxy: a proxy on
another machine cannot reach them, or reaches a different host under that name.
"""

from collections.abc import Collection
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from api.config import Config
from api.environment import ConfigError


def own_hosts(config: Config) -> frozenset[str]:
    """Return the hosts of the web app and of this API."""
    urls = config.next_public_better_auth_url, config.api_url
    return frozenset(urlsplit(url).hostname or "" for url in urls)


def proxy_for(url: str, own: Collection[str] = ()) -> str | None:
    """Return the URL of the proxy for requests to this URL; None if they use no proxy.

    Raises ConfigError when the proxy is neither an http nor an https proxy.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in own or _is_loopback(host) or _is_excluded(host) or proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    name = parts.scheme if proxies.get(parts.scheme) else "all"
    proxy = proxies.get(name)
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if urlsplit(proxy).scheme not in {"http", "https"}:
        raise ConfigError(
            f"{name.upper()}_PROXY: expected an http or https proxy, or {host} in NO_PROXY, "
            "for example http://proxy.example.com:3128"
        )
    return proxy


def shown(proxy: str) -> str:
    """Return the URL of the proxy without its user and password."""
    parts = urlsplit(proxy)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_excluded(host: str) -> bool:
    """Return whether NO_PROXY names a network with this address, which urllib does not check."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    for entry in getproxies().get("no", "").split(","):
        try:
            if address in ip_network(entry.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False
