// Plays one playlist with hls.js and counts what goes wrong.

const NETWORK_RETRIES_MAX = 20;
const MEDIA_RECOVERIES_MAX = 3;
const RETRY_MS = 2000;
const NATIVE_HLS = 'application/vnd.apple.mpegurl';

export class Player {
  hls = null;
  playlist = null;
  message = '';
  stalls = 0;
  fatalErrors = 0;
  #origin = null;
  #started = false;
  #networkRetries = 0;
  #mediaRecoveries = 0;
  #retryTimer = 0;

  constructor(video) {
    this.video = video;
    video.addEventListener('playing', () => { this.#started = true; });
    video.addEventListener('waiting', () => {
      // Before the first frame, and while a seek is under way, an empty buffer is no stall.
      if (this.#started && !video.seeking && !video.paused) this.stalls += 1;
    });
  }

  /** Begins to play, from the live edge. What was playing ends, and the counts start again. */
  play(origin, name) {
    this.stop();
    this.#origin = origin;
    this.playlist = name;
    if (Hls.isSupported()) {
      this.#playWithHls();
    } else if (this.video.canPlayType(NATIVE_HLS)) {
      this.video.src = origin.withToken(origin.objectUrl(name));
    } else {
      this.message = 'This browser cannot play HLS.';
    }
    // Refused only where even muted video needs a click: the controls are there for that.
    this.video.play().catch(() => {});
  }

  stop() {
    clearTimeout(this.#retryTimer);
    this.hls?.destroy();
    this.hls = null;
    this.video.removeAttribute('src');
    this.video.load();
    this.playlist = null;
    this.message = '';
    this.stalls = 0;
    this.fatalErrors = 0;
    this.#started = false;
    this.#networkRetries = 0;
    this.#mediaRecoveries = 0;
  }

  #playWithHls() {
    const origin = this.#origin;
    this.hls = new Hls({
      workerPath: new URL('vendor/hls/hls.worker.js', import.meta.url).href,
      backBufferLength: 30,
      xhrSetup: (xhr, url) => xhr.open('GET', origin.withToken(url), true),
    });
    this.hls.on(Hls.Events.ERROR, (_event, error) => {
      if (error.fatal) this.#onFatal(error);
    });
    this.hls.on(Hls.Events.FRAG_BUFFERED, () => {
      this.#networkRetries = 0;
      this.message = '';
    });
    this.hls.attachMedia(this.video);
    this.hls.loadSource(origin.objectUrl(this.playlist));
  }

  #onFatal(error) {
    this.fatalErrors += 1;
    this.message = this.#describe(error);
    if (error.type === Hls.ErrorTypes.NETWORK_ERROR && this.#networkRetries < NETWORK_RETRIES_MAX) {
      this.#networkRetries += 1;
      clearTimeout(this.#retryTimer);
      this.#retryTimer = setTimeout(() => this.#reload(), RETRY_MS);
    } else if (error.type === Hls.ErrorTypes.MEDIA_ERROR && this.#mediaRecoveries < MEDIA_RECOVERIES_MAX) {
      this.#mediaRecoveries += 1;
      this.hls.recoverMediaError();
    } else {
      this.message += ' Choose the channel again to start over.';
      this.hls.destroy();
      this.hls = null;
    }
  }

  #reload() {
    if (this.hls.levels.length > 0) {
      this.hls.startLoad();
    } else {
      this.hls.loadSource(this.#origin.objectUrl(this.playlist));
    }
  }

  #describe(error) {
    if (error.type === Hls.ErrorTypes.NETWORK_ERROR) {
      const status = error.response?.code ?? 0;
      if (status >= 200 && status < 300) return `“${this.playlist}” is not a playlist that can be played (${error.details}).`;
      return status === 0 ? this.#origin.describeNoAnswer() : this.#origin.describeStatus(status);
    }
    return `The stream cannot be decoded (${error.details}).`;
  }

  get latency() {
    return this.isLive ? this.hls.latency : NaN;
  }

  get isLive() {
    return Boolean(this.hls?.latestLevelDetails?.live);
  }

  get isLoaded() {
    return Boolean(this.hls?.latestLevelDetails);
  }

  get droppedFrames() {
    return this.video.getVideoPlaybackQuality?.().droppedVideoFrames ?? 0;
  }

  /** Seconds of media ahead of the playhead. */
  get buffered() {
    const { buffered, currentTime } = this.video;
    for (let i = 0; i < buffered.length; i += 1) {
      if (buffered.start(i) <= currentTime + 0.1 && currentTime <= buffered.end(i)) return buffered.end(i) - currentTime;
    }
    return 0;
  }

  /** The rendition that is on screen, if hls.js knows. */
  get level() {
    return this.hls?.levels?.[this.hls.currentLevel] ?? null;
  }
}
