// The watch page: what to connect to, which channel, and what to show. The key lives in this tab's memory and, if it came
// that way, in the URL fragment, which browsers do not send; it is never stored.

import { ChannelList } from './channels.js';
import * as format from './format.js';
import { Origin, OriginError } from './origin.js';
import { Player } from './player.js';

const POLL_MS = 2000;
const STATS_MS = 500;
const byId = (id) => document.getElementById(id);

const player = new Player(byId('video'));
const channels = new ChannelList(byId('folders'), choose);
let origin = null;
let polling = new AbortController();

// For tests in a browser and for the curious.
window.headwater = {
  player,
  playlists: [],
  get hls() { return player.hls; },
  get playlist() { return player.playlist; },
  get stalls() { return player.stalls; },
  get fatalErrors() { return player.fatalErrors; },
  get droppedFrames() { return player.droppedFrames; },
  get latency() { return player.latency; },
  get message() { return player.message; },
};

function fragment() {
  return new URLSearchParams(location.hash.slice(1));
}

/** From the fragment, else from earlier in this tab, else as the server suggests. */
function knownConnection() {
  const given = fragment();
  const suggested = document.querySelector('meta[name="headwater-data-url"]').content;
  return {
    dataUrl: given.get('data') ?? sessionStorage.getItem('data') ?? suggested,
    namespace: given.get('namespace') ?? sessionStorage.getItem('namespace') ?? '',
    token: given.get('token') ?? '',
  };
}

function start() {
  const connection = knownConnection();
  if (connection.dataUrl && connection.namespace && connection.token) {
    connect(connection);
  } else {
    showForm(connection);
  }
}

function showForm({ dataUrl, namespace, token }) {
  disconnect();
  const fields = { 'data-url': dataUrl, namespace, token };
  for (const [id, value] of Object.entries(fields)) byId(id).value = value;
  byId('data-url').placeholder = `${location.protocol}//${location.hostname}:8080`;
  show('connect');
  const firstEmpty = Object.keys(fields).find((id) => !fields[id]) ?? 'data-url';
  byId(firstEmpty).focus();
}

function show(view) {
  byId('connect').hidden = view !== 'connect';
  byId('watch').hidden = view !== 'watch';
  byId('connection').hidden = view !== 'watch';
}

function disconnect() {
  polling.abort();
  player.stop();
  channels.chosen = null;
  origin = null;
}

function connect(connection) {
  disconnect();
  show('watch');
  byId('connection-name').textContent = connection.namespace;
  channels.playlists = { playlists: [], clockOffsetMs: 0 };
  byId('list-count').textContent = '';
  byId('list-note').textContent = 'Loading…';
  setMessage('list-message', '');
  try {
    origin = new Origin(connection);
  } catch (error) {
    byId('list-note').textContent = '';
    setMessage('list-message', error.message);
    return;
  }
  sessionStorage.setItem('data', connection.dataUrl);
  sessionStorage.setItem('namespace', connection.namespace);
  byId('connection-name').textContent = `${connection.namespace} · ${origin.host}`;
  polling = new AbortController();
  poll(origin, polling.signal);
  const name = fragment().get('play');
  if (name) choose(name);
}

async function poll(from, signal) {
  while (!signal.aborted) {
    let pages = 1;
    try {
      const listing = await from.listPlaylists(signal);
      pages = listing.pages;
      showListing(listing);
    } catch (error) {
      if (signal.aborted) return;
      byId('list-note').textContent = '';
      setMessage('list-message', error instanceof OriginError ? error.message : `Something went wrong: ${error.message}`);
      if (error.final) return;
    }
    // A large namespace is asked less often: a page a second at most, whatever its size.
    await pause(Math.max(POLL_MS, pages * 1000), signal);
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}

function showListing(listing) {
  window.headwater.playlists = listing.playlists.map((playlist) => playlist.name);
  channels.playlists = listing;
  setMessage('list-message', '');
  const count = listing.playlists.length;
  byId('list-count').textContent = `${count} playlist${count === 1 ? '' : 's'}`;
  const notes = [];
  if (count === 0) notes.push('No playlists yet. They appear here as soon as an encoder pushes one.');
  if (listing.truncated) notes.push(`Only the first ${listing.objects} objects were looked at.`);
  if (channels.hiddenCount > 0) notes.push(`${channels.hiddenCount} more: filter by name to see them.`);
  byId('list-note').textContent = notes.join(' ');
}

function choose(name) {
  channels.chosen = name;
  player.play(origin, name);
  const given = fragment();
  if (given.get('play') !== name && given.has('token')) {
    given.set('play', name);
    history.replaceState(null, '', `#${given}`);
  }
  showStats();
}

function setMessage(id, text) {
  const message = byId(id);
  if (message.textContent !== text) message.textContent = text;
  message.hidden = !text;
}

function showStats() {
  const playing = player.playlist !== null;
  byId('screen-empty').hidden = playing;
  byId('stats').hidden = !playing;
  byId('now-playing').textContent = player.playlist ?? 'Nothing playing';
  setMessage('player-message', player.message);
  const state = byId('state');
  state.hidden = !player.isLoaded;
  state.textContent = player.isLive ? 'Live' : 'Ended';
  state.classList.toggle('live', player.isLive);
  if (!playing) return;
  const { level } = player;
  const bandwidth = player.hls?.bandwidthEstimate;
  setStat('latency', format.seconds(player.latency));
  setStat('buffer', format.seconds(player.buffered));
  setStat('level', level?.height ? `${level.height}p` : '–');
  setStat('bitrate', level?.bitrate ? format.bitrate(level.bitrate) : '–');
  setStat('bandwidth', Number.isFinite(bandwidth) ? format.bitrate(bandwidth) : '–');
  setStat('dropped', String(player.droppedFrames));
  setStat('stalls', String(player.stalls), player.stalls > 0);
  setStat('fatal', String(player.fatalErrors), player.fatalErrors > 0);
}

function setStat(name, text, bad = false) {
  const value = byId(`stat-${name}`);
  value.textContent = text;
  value.classList.toggle('bad', bad);
}

byId('connect-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  const field = (name) => form.get(name).trim();
  connect({ dataUrl: field('data'), namespace: field('namespace'), token: field('token') });
});
byId('change').addEventListener('click', () => {
  const { dataUrl, namespace } = knownConnection();
  history.replaceState(null, '', location.pathname);
  showForm({ dataUrl, namespace, token: '' });
});
byId('filter').addEventListener('input', (event) => { channels.filter = event.target.value; });
window.addEventListener('hashchange', () => { if (fragment().has('data')) start(); });
setInterval(() => channels.tick(), 1000);
setInterval(showStats, STATS_MS);
start();
