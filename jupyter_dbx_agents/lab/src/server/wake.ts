/**
 * When the page should ask whether its connections still live: a laptop that slept or changed its
 * network is not told that they do not, and asking regularly would cost everybody all the time.
 */

// A glance at another tab is no sleep.
const ASLEEP_MILLISECONDS = 10_000;

/** Call back after each such moment; returns what ends that. */
export function onWake(callback: () => void): () => void {
  let hiddenAt = Date.now();
  const onVisibility = (): void => {
    if (document.hidden) {
      hiddenAt = Date.now();
    } else if (Date.now() - hiddenAt > ASLEEP_MILLISECONDS) {
      callback();
    }
  };
  window.addEventListener('online', callback);
  document.addEventListener('visibilitychange', onVisibility);
  return () => {
    window.removeEventListener('online', callback);
    document.removeEventListener('visibilitychange', onVisibility);
  };
}
