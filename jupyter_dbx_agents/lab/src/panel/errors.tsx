/** What is shown in place of what cannot be: a word on it, and the way out. */

import { ReactWidget } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { Status } from '../status/model';
import { Button } from './parts';

interface TroubleProps {
  text: string;
  trans: TranslationBundle;
}

function Trouble({ text, trans }: TroubleProps): React.ReactElement {
  return (
    <div role="alert">
      <p className="jp-DbxAgents-bad">{text}</p>
      <Button label={trans.__('Reload the page')} onClick={() => window.location.reload()} />
    </div>
  );
}

/** Return it as a widget. */
export function createTrouble(text: string, trans: TranslationBundle): ReactWidget {
  return ReactWidget.create(<Trouble text={text} trans={trans} />);
}

interface GuardProps {
  status: Status;
  trans: TranslationBundle;
  children: React.ReactNode;
}

/** Keeps a part that cannot be drawn from taking the others with it; the next status is tried. */
export class Guard extends React.Component<GuardProps, { hasFailed: boolean }> {
  override state = { hasFailed: false };

  static getDerivedStateFromError(): { hasFailed: boolean } {
    return { hasFailed: true };
  }

  override componentDidUpdate({ status }: GuardProps): void {
    if (this.state.hasFailed && status !== this.props.status) {
      this.setState({ hasFailed: false });
    }
  }

  override render(): React.ReactNode {
    const { trans, children } = this.props;
    return this.state.hasFailed ? (
      <Trouble
        text={trans.__('A part cannot be shown: the server may be newer than this page.')}
        trans={trans}
      />
    ) : (
      children
    );
  }
}
