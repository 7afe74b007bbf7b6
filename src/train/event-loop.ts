// One turn of the event loop: on wasm and cpu a step computes synchronously, and without this a pause would
// arrive after the run. A message channel, since timers are clamped to 4 ms.

export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
