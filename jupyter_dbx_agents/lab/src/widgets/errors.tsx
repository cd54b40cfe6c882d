/** What is shown in place of a part that cannot be loaded or drawn. */

import { ReactWidget } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { Status } from '../status/model';
import { Button } from './parts';

interface ErrorMessageProps {
  text: string;
  trans: TranslationBundle;
}

function ErrorMessage({ text, trans }: ErrorMessageProps): React.ReactElement {
  return (
    <div role="alert">
      <p className="jp-DbxAgents-bad">{text}</p>
      <Button label={trans.__('Reload the page')} onClick={() => window.location.reload()} />
    </div>
  );
}

/** Return a widget with an error and a button that reloads the page. */
export function createErrorMessage(text: string, trans: TranslationBundle): ReactWidget {
  return ReactWidget.create(<ErrorMessage text={text} trans={trans} />);
}

interface ErrorBoundaryProps {
  status: Status;
  trans: TranslationBundle;
  children: React.ReactNode;
}

/** Confines an error in one part to that part, and draws it again with the next status. */
export class ErrorBoundary extends React.Component<ErrorBoundaryProps, { hasFailed: boolean }> {
  override state = { hasFailed: false };

  static getDerivedStateFromError(): { hasFailed: boolean } {
    return { hasFailed: true };
  }

  override componentDidUpdate({ status }: ErrorBoundaryProps): void {
    if (this.state.hasFailed && status !== this.props.status) {
      this.setState({ hasFailed: false });
    }
  }

  override render(): React.ReactNode {
    const { trans, children } = this.props;
    return this.state.hasFailed ? (
      <ErrorMessage
        text={trans.__('This part cannot be shown: the server may be newer than this page.')}
        trans={trans}
      />
    ) : (
      children
    );
  }
}
