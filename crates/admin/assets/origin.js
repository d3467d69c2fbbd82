// The data plane, as this page uses it: where things are, how the key is presented, and what its failures mean.

const PAGE_OBJECTS = 1000;
const PAGES_MAX = 20;
const TIMEOUT_MS = 10_000;
const PLAYLIST = /\.(m3u8|mpd)$/i;

/** A failure in words. `final` means that the same request will fail again. */
export class OriginError extends Error {
  constructor(message, { final = false } = {}) {
    super(message);
    this.final = final;
  }
}

/** One namespace of one data plane, with a key that may read it. Throws OriginError if the URL cannot be one. */
export class Origin {
  constructor({ dataUrl, namespace, token }) {
    let url;
    try {
      url = new URL(dataUrl);
    } catch {
      throw new OriginError(`“${dataUrl}” is not a URL.`, { final: true });
    }
    if (url.protocol !== 'http:' && url.protocol !== 'https:') {
      throw new OriginError(`“${dataUrl}” is not an http or https URL.`, { final: true });
    }
    this.namespace = namespace;
    this.token = token;
    this.host = url.host;
    this.origin = url.origin;
    this.mixed = location.protocol === 'https:' && url.protocol === 'http:';
    this.base = `${url.origin}${url.pathname.replace(/\/+$/, '')}/cache/${encodeURIComponent(namespace)}`;
  }

  /** Where an object is, without the key. */
  objectUrl(name) {
    return `${this.base}/${name.split('/').map(encodeURIComponent).join('/')}`;
  }

  /** `url` with the key, if it lies in this namespace and does not carry one already. Other hosts never see the key. */
  withToken(url) {
    const target = new URL(url, location.href);
    if (!target.href.startsWith(`${this.base}/`) || target.searchParams.has('token')) return target.href;
    target.search += `${target.search ? '&' : '?'}token=${encodeURIComponent(this.token)}`;
    return target.href;
  }

  /**
   * All playlists of the namespace: `{playlists, objects, pages, truncated, clockOffsetMs}`. `clockOffsetMs` is how far
   * the server's clock is ahead of this one, as well as the Date header tells.
   */
  async listPlaylists(signal) {
    const playlists = [];
    let objects = 0;
    let pages = 0;
    let cursor = null;
    let clockOffsetMs = 0;
    do {
      const page = await this.#listPage(cursor, signal);
      for (const object of page.body.objects) {
        if (PLAYLIST.test(object.name)) playlists.push(object);
      }
      objects += page.body.objects.length;
      pages += 1;
      cursor = page.body.cursor;
      clockOffsetMs = page.clockOffsetMs;
    } while (cursor && pages < PAGES_MAX);
    return { playlists, objects, pages, truncated: Boolean(cursor), clockOffsetMs };
  }

  async #listPage(cursor, signal) {
    const query = `list&limit=${PAGE_OBJECTS}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`;
    const url = `${this.base}?${query}&token=${encodeURIComponent(this.token)}`;
    let response;
    try {
      response = await fetch(url, {
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
        cache: 'no-store',
        credentials: 'omit',
      });
    } catch (error) {
      if (signal.aborted) throw error;
      throw new OriginError(this.describeNoAnswer());
    }
    if (!response.ok) throw await this.#refusal(response);
    const body = await response.json().catch(() => null);
    if (!Array.isArray(body?.objects)) {
      throw new OriginError(`${this.host} answered, but not as a Headwater data plane does. Is the URL right?`, { final: true });
    }
    const date = Date.parse(response.headers.get('Date') ?? '');
    return { body, clockOffsetMs: Number.isNaN(date) ? 0 : date - Date.now() };
  }

  async #refusal(response) {
    const problem = await response.json().catch(() => null);
    const final = response.status >= 400 && response.status < 500 && response.status !== 429;
    return new OriginError(this.describeStatus(response.status, problem?.detail ?? problem?.title), { final });
  }

  describeStatus(status, detail) {
    const because = detail ? ` The server says: ${detail}` : '';
    if (status === 401 || status === 403) {
      return `The API key was refused (${status}). It is wrong, expired or revoked, or it lacks read permission for “${this.namespace}”.`;
    }
    if (status === 404) return `Not found on ${this.host} (404).${because}`;
    if (status === 429 || status === 503) return `${this.host} is busy (${status}); trying again.${because}`;
    return `${this.host} refused the request (${status}).${because}`;
  }

  describeNoAnswer() {
    if (this.mixed) {
      return `This page was loaded over https, so the browser does not let it read ${this.origin} over http.`;
    }
    return `No answer from ${this.origin}. The server is down or the URL is wrong, or its CORS policy does not allow ${location.origin}.`;
  }
}
