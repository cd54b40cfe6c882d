/**
 * Tell the server how much is drawn, so that a flood waits in the program and not in this page.
 *
 * `["ack", n]`: the first n `stdout` messages of this connection are drawn.  Counting begins with a
 * connection: one that was there before is left alone.
 */

import type { Terminal } from '@jupyterlab/services';
import type { XTerm } from './xterm';

const MOST_UNTOLD = 16;

export function acknowledge(
  session: Terminal.ITerminalConnection,
  xterm: Promise<XTerm | null>
): void {
  let connection = 0;
  let [received, told] = [0, 0];
  const tell = (count: number): void => {
    told = count;
    // The server's addition to the protocol, which JupyterLab's types do not know.
    session.send({ type: 'ack' as Terminal.MessageType, content: [count] });
  };
  session.connectionStatusChanged.connect((_, status) => {
    connection += 1;
    if (status === 'connected') {
      [received, told] = [0, 0];
      tell(0);
    }
  });
  session.messageReceived.connect(async (_, message) => {
    if (message.type !== 'stdout' || !connection) {
      return;
    }
    received += 1;
    const [mine, number] = [connection, received];
    (await xterm)?.write('', () => {
      const isDue = number === received || number - told >= MOST_UNTOLD;
      if (mine === connection && number > told && isDue) {
        tell(number);
      }
    });
  });
}
