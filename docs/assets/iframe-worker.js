/* Browsers start no worker from a page that was opened from disk. There, the search runs in a hidden frame instead,
   which has the same way to be spoken to. Pages that come from a server keep the browser's own worker. */
(() => {
  if (location.protocol !== "file:") return;

  class FrameWorker extends EventTarget {
    constructor(url) {
      super();
      const base = new URL(url, document.baseURI);
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.appendChild(frame);
      const inner = frame.contentWindow;
      const page = inner.document;
      page.open();
      page.write("<!doctype html><title>search</title><body></body>");
      page.close();
      const added = (address) =>
        new Promise((done, failed) => {
          const script = page.createElement("script");
          script.src = new URL(address, base).href;
          script.onload = () => done();
          script.onerror = () => failed(new Error(`cannot load ${script.src}`));
          page.body.appendChild(script);
        });
      inner.postMessage = (data) => {
        const event = new MessageEvent("message", { data });
        this.dispatchEvent(event);
        if (this.onmessage) this.onmessage(event);
      };
      inner.importScripts = (...addresses) =>
        addresses.reduce((before, address) => before.then(() => added(address)), Promise.resolve());
      this.inner = inner;
      this.frame = frame;
      this.ready = added(base.href);
    }

    postMessage(data) {
      this.ready.then(() => this.inner.dispatchEvent(new MessageEvent("message", { data })));
    }

    terminate() {
      this.frame.remove();
    }
  }

  window.Worker = FrameWorker;
})();
