// One turn of the event loop for whatever waits: between the steps of wasm and cpu, which compute synchronously,
// so that a pause arrives before the run is over; between the pieces that a page hands over. A message channel,
// since timers are clamped to 4 ms, and to a second in a hidden tab.

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
