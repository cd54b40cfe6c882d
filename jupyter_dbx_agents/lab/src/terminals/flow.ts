/**
 * Flow control: acknowledge drawn output, so that a flood is held back in the program, not in the
 * page.
 *
 * `["ack", n]`: the first n `stdout` messages of this connection are drawn.  Counting begins with a
 * new connection; one that was already open is not acknowledged.
 */

import type { Terminal } from '@jupyterlab/services';
import type { XTerm } from '../screen/xterm';

const MOST_UNACKNOWLEDGED = 16;

export function acknowledge(
  session: Terminal.ITerminalConnection,
  xterm: Promise<XTerm | null>
): void {
  let connection = 0;
  let [received, acknowledged] = [0, 0];
  const send = (count: number): void => {
    acknowledged = count;
    // The server's addition to the protocol, which JupyterLab's types do not list.
    session.send({ type: 'ack' as Terminal.MessageType, content: [count] });
  };
  session.connectionStatusChanged.connect((_, status) => {
    connection += 1;
    if (status === 'connected') {
      [received, acknowledged] = [0, 0];
      send(0);
    }
  });
  session.messageReceived.connect(async (_, message) => {
    if (message.type !== 'stdout' || !connection) {
      return;
    }
    received += 1;
    const [mine, number] = [connection, received];
    (await xterm)?.write('', () => {
      const isDue = number === received || number - acknowledged >= MOST_UNACKNOWLEDGED;
      if (mine === connection && number > acknowledged && isDue) {
        send(number);
      }
    });
  });
}
