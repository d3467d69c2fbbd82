// The list of channels: playlists grouped by folder, with size and age, kept in place while it changes.

import * as format from './format.js';

const ROWS_MAX = 500;
const FRESH_MS = 15_000;

export class ChannelList {
  #root;
  #onChoose;
  #playlists = [];
  #clockOffsetMs = 0;
  #filter = '';
  #chosen = null;
  /** Name to the row's elements, of the rows that are shown. */
  #rows = new Map();

  constructor(root, onChoose) {
    this.#root = root;
    this.#onChoose = onChoose;
  }

  set playlists({ playlists, clockOffsetMs }) {
    this.#playlists = playlists;
    this.#clockOffsetMs = clockOffsetMs;
    this.#update();
  }

  set filter(text) {
    this.#filter = text.trim().toLowerCase();
    this.#update();
  }

  set chosen(name) {
    this.#chosen = name;
    for (const [rowName, row] of this.#rows) row.button.setAttribute('aria-pressed', String(rowName === name));
  }

  /** How many match the filter but are not shown, because nobody reads that many rows. */
  get hiddenCount() {
    return Math.max(0, this.#matching().length - ROWS_MAX);
  }

  /** Makes the ages follow the clock. */
  tick() {
    const now = Date.now() + this.#clockOffsetMs;
    for (const row of this.#rows.values()) {
      const age = now - row.modified;
      row.age.textContent = format.age(age);
      row.button.classList.toggle('fresh', age < FRESH_MS);
    }
  }

  #matching() {
    return this.#playlists.filter((playlist) => playlist.name.toLowerCase().includes(this.#filter));
  }

  #update() {
    const shown = this.#matching().slice(0, ROWS_MAX);
    const same = shown.length === this.#rows.size && shown.every((playlist) => this.#rows.has(playlist.name));
    if (!same) this.#rebuild(shown);
    for (const playlist of shown) {
      const row = this.#rows.get(playlist.name);
      row.modified = Date.parse(playlist.last_modified);
      row.size.textContent = `${format.bytes(playlist.size)}${row.note}`;
    }
    this.tick();
  }

  #rebuild(shown) {
    const focused = document.activeElement?.dataset?.name;
    const folders = new Map([['', []]]);
    this.#rows.clear();
    for (const { name } of shown) {
      const slash = name.lastIndexOf('/');
      const folder = slash < 0 ? '' : name.slice(0, slash);
      if (!folders.has(folder)) folders.set(folder, []);
      folders.get(folder).push(this.#makeRow(name, name.slice(slash + 1)));
    }
    const filled = Array.from(folders).filter(([, rows]) => rows.length > 0);
    this.#root.replaceChildren(...filled.map(([folder, rows]) => makeFolder(folder, rows)));
    this.#rows.get(focused)?.button.focus();
  }

  #makeRow(name, label) {
    const button = element('button', 'channel');
    const row = { button, age: element('span', 'age'), size: element('span', 'size'), note: '', modified: 0 };
    button.type = 'button';
    button.dataset.name = name;
    button.append(element('span', 'dot'), element('span', 'name', label), row.age, row.size);
    if (/\.mpd$/i.test(name)) {
      row.note = ' · DASH, not played here';
      button.disabled = true;
    } else {
      button.setAttribute('aria-pressed', String(name === this.#chosen));
      button.addEventListener('click', () => this.#onChoose(name));
    }
    this.#rows.set(name, row);
    const item = element('li');
    item.append(button);
    return item;
  }
}

function makeFolder(folder, rows) {
  const section = element('section', 'folder');
  const list = element('ul');
  list.append(...rows);
  list.setAttribute('aria-label', folder || 'No folder');
  if (folder) section.append(element('h3', '', `${folder}/`));
  section.append(list);
  return section;
}

function element(tag, className = '', text = '') {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}
